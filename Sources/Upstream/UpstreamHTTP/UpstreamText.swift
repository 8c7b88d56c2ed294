/// Limits for the texts of an upstream that are stored, because they are kept and listed for as long as the export. A text that is
/// too long is cut between two characters, and ends with an ellipsis.
///
/// Messages and codes of errors have their limits in `UpstreamErrorInfo`.
public enum UpstreamText {
    /// The most bytes of a file's name, in UTF-8: the limit of most file systems.
    public static let longestFileName = 255
    /// The most bytes of a status, in UTF-8.
    public static let longestStatus = 128
    /// The most bytes of an id, in UTF-8. Power BI's have about 130.
    public static let longestID = 1024

    /// A file's name that ends with `suffix`, such as `.pdf`. If it is too long, the part before the suffix is cut.
    public static func fileName(_ name: String, suffix: String = "") -> String {
        let suffix = suffix.utf8.count <= 32 ? suffix : ""
        return cut(name, to: longestFileName - suffix.utf8.count) + suffix
    }

    /// A file's name, cut if it is too long. The part after its last dot is kept if it is short enough to be a suffix.
    public static func wholeFileName(_ name: String) -> String {
        guard name.utf8.count > longestFileName else { return name }
        // Only the end is searched, whatever the length.
        let end = name.utf8.suffix(32)
        guard let point = end.lastIndex(of: UInt8(ascii: ".")), let suffix = String(end[point...]) else {
            return cut(name, to: longestFileName)
        }
        return fileName(String(name[..<point]), suffix: suffix)
    }

    /// A status, verbatim unless it is too long.
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
