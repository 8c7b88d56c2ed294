/// An entity tag (RFC 9110, 8.8.3: https://www.rfc-editor.org/rfc/rfc9110#section-8.8.3).
public struct EntityTag: Sendable, Hashable {
    /// What stands between the quotes.
    public var opaque: String
    public var isWeak: Bool

    /// Makes a tag. `opaque` must hold nothing but bytes that may stand between the quotes (``isOpaque(_:)``).
    public init(opaque: String, isWeak: Bool) {
        self.opaque = opaque
        self.isWeak = isWeak
    }

    /// Reads the one tag of an `If-Range`; nil for a date, and for what cannot be read.
    public init?(ifRange field: String) {
        let tags = Self.list(field)
        guard tags.count == 1, FieldList.trimmed(field) == tags[0].field else { return nil }
        self = tags[0]
    }

    /// The value of the `ETag` field.
    public var field: String { (isWeak ? "W/" : "") + "\"\(opaque)\"" }

    /// Whether an `If-None-Match` field (RFC 9110, 13.1.2) names this tag or every one; compared weakly, as it must be.
    public func isNamed(by field: String) -> Bool {
        Self.isAny(field) || Self.list(field).contains { $0.opaque == opaque }
    }

    /// Whether an `If-Match` or `If-None-Match` field is `*`: it names every tag.
    public static func isAny(_ field: String) -> Bool { FieldList.trimmed(field) == "*" }

    /// The tags of a list, up to the first fault: what cannot be read as a tag matches nothing, and what follows it is not
    /// read.
    public static func list(_ field: String) -> [EntityTag] {
        var tags: [EntityTag] = []
        var rest = Substring(field).utf8
        while let tag = next(&rest) { tags.append(tag) }
        return tags
    }

    /// Whether a byte may stand between the quotes: `etagc` without `obs-text`, which no client is to send through us.
    public static func isOpaque(_ byte: UInt8) -> Bool { byte == 0x21 || (0x23...0x7E).contains(byte) }

    /// Takes one tag off the front, with what separates it from the one before; nil at the end or at a fault.
    private static func next(_ rest: inout Substring.UTF8View) -> EntityTag? {
        rest = rest.drop { [UInt8(ascii: " "), UInt8(ascii: "\t"), UInt8(ascii: ",")].contains($0) }
        let isWeak = rest.starts(with: "W/".utf8)
        if isWeak { rest = rest.dropFirst(2) }
        guard rest.first == UInt8(ascii: "\"") else { return nil }
        rest.removeFirst()
        // A comma may be part of a tag, and a backslash does not escape anything.
        guard let end = rest.firstIndex(of: UInt8(ascii: "\"")) else { return nil }
        let opaque = String(decoding: rest[..<end], as: UTF8.self)
        rest = rest[rest.index(after: end)...]
        return EntityTag(opaque: opaque, isWeak: isWeak)
    }
}
