/// How long the texts of an upstream may be that go into a record: what it sends is kept, listed and shown for as long as the
/// export. A text that is too long is cut between two characters, and ends in an ellipsis then.
///
/// Messages and codes of errors have their limits in `UpstreamErrorInfo`.
public enum UpstreamText {
    /// The most bytes of a file's name, in UTF-8: as many as file systems take.
    public static let longestFileName = 255
    /// The most bytes of a status, in UTF-8.
    public static let longestStatus = 128
    /// The most bytes of an id, in UTF-8. Power BI's have about 130.
    public static let longestID = 1024

    /// A file's name that ends in `suffix`, such as `.pdf`; it is the name before it that is cut.
    public static func fileName(_ name: String, suffix: String = "") -> String {
        let suffix = suffix.utf8.count <= 32 ? suffix : ""
        return cut(name, to: longestFileName - suffix.utf8.count) + suffix
    }

    /// A file's name as it came: what follows its last point stays, where it is a suffix by its length.
    public static func wholeFileName(_ name: String) -> String {
        guard name.utf8.count > longestFileName else { return name }
        // Only the end is looked through, whatever the length.
        let end = name.utf8.suffix(32)
        guard let point = end.lastIndex(of: UInt8(ascii: ".")), let suffix = String(end[point...]) else {
            return cut(name, to: longestFileName)
        }
        return fileName(String(name[..<point]), suffix: suffix)
    }

    /// A status, verbatim as long as it has the length of one.
    public static func status(_ status: String) -> String { cut(status, to: longestStatus) }

    /// The id; nil when it is longer than any id.
    public static func id(_ id: String) -> String? { id.utf8.count <= longestID ? id : nil }

    static func cut(_ text: String, to limit: Int) -> String {
        guard text.utf8.count > limit else { return text }
        let ellipsis = "…"
        var (kept, length) = ("", ellipsis.utf8.count)
        for character in text {
            length += character.utf8.count
            guard length <= limit else { break }
            kept.append(character)
        }
        return kept + ellipsis
    }
}
