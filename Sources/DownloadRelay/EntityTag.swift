import Exports

/// The validators of a file's two representations (RFC 9110, 8.8.3).
///
/// Weak, because nothing proves that an upstream sends the same bytes twice. Made from what the ledger holds of the file
/// and nothing else, so that `HEAD`, `GET` and `304` agree without asking the upstream; what happens to the export
/// besides (its revision) does not change them.
struct EntityTag: Sendable, Hashable {
    /// What stands between the quotes.
    let opaque: String
}

extension EntityTag {
    /// The tag of `file` in `coding`.
    init(of file: ExportFile, in export: ExportID, coding: ContentCoding) {
        var parts = [export.description, Self.plain(file.id)]
        if let digest = file.sha256 {
            parts.append(String(Self.plain(digest).prefix(32)))
        } else if let size = file.size {
            parts.append(String(size))
        }
        opaque = parts.joined(separator: ".") + (coding == .gzip ? "-gzip" : "")
    }

    /// The value of the `ETag` field.
    var field: String { "W/\"\(opaque)\"" }

    /// Whether `If-None-Match` holds, weakly compared, for one of `tags`: the client has the file already.
    ///
    /// What cannot be read as an entity tag matches nothing; what follows it is not read (RFC 9110, 13.1.2).
    static func anyMatch(_ ifNoneMatch: String?, _ tags: [EntityTag]) -> Bool {
        guard let ifNoneMatch else { return false }
        if FieldList.trimmed(Substring(ifNoneMatch)) == "*" { return true }
        var rest = Substring(ifNoneMatch).utf8
        while let opaque = nextOpaque(&rest) {
            if tags.contains(where: { $0.opaque.utf8.elementsEqual(opaque) }) { return true }
        }
        return false
    }

    /// Takes one tag off the front, with what separates it from the one before; nil at the end or at a fault.
    private static func nextOpaque(_ rest: inout Substring.UTF8View) -> Substring.UTF8View? {
        rest = rest.drop { [UInt8(ascii: " "), UInt8(ascii: "\t"), UInt8(ascii: ",")].contains($0) }
        if rest.starts(with: "W/".utf8) { rest = rest.dropFirst(2) }
        guard rest.first == UInt8(ascii: "\"") else { return nil }
        rest.removeFirst()
        // A comma may be part of a tag, a backslash escapes nothing.
        guard let end = rest.firstIndex(of: UInt8(ascii: "\"")) else { return nil }
        let opaque = rest[..<end]
        rest = rest[rest.index(after: end)...]
        return opaque
    }

    /// `text` with everything but letters, digits, `-` and `_` as `~` and two hexadecimal digits: fit for a tag, and
    /// different for different texts.
    private static func plain(_ text: String) -> String {
        text.utf8
            .map { byte in
                switch byte {
                case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, UInt8(ascii: "-"), UInt8(ascii: "_"):
                    String(Unicode.Scalar(byte))
                default:
                    "~" + (byte < 16 ? "0" : "") + String(byte, radix: 16)
                }
            }
            .joined()
    }
}
