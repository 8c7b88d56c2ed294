import HTTPFields

/// The range of a `Range` field with one range (RFC 9110, 14.1.2).
enum RangeField: Sendable, Hashable {
    /// From one byte to another, inclusive, or to the end.
    case from(Int64, to: Int64?)
    /// The last bytes, this many.
    case suffix(Int64)

    /// Reads the joined field lines. Nil where the field is to be ignored (RFC 9110, 14.2): another unit, an invalid range, and
    /// several ranges, which would need a multipart body and have no use for one file.
    init?(_ field: String?) {
        guard let field else { return nil }
        let parts = field.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2, FieldList.trimmed(parts[0]).lowercased() == "bytes" else { return nil }
        let ranges = FieldList.elements(of: parts[1])
        guard ranges.count == 1 else { return nil }
        let bounds = ranges[0].split(separator: "-", maxSplits: 1, omittingEmptySubsequences: false)
        guard bounds.count == 2 else { return nil }
        switch (bounds[0].isEmpty, bounds[1].isEmpty) {
        case (true, true):
            return nil
        case (true, false):
            guard let length = Self.number(bounds[1]) else { return nil }
            self = .suffix(length)
        case (false, true):
            guard let first = Self.number(bounds[0]) else { return nil }
            self = .from(first, to: nil)
        case (false, false):
            guard let first = Self.number(bounds[0]), let last = Self.number(bounds[1]), first <= last else {
                return nil
            }
            self = .from(first, to: last)
        }
    }

    /// The part of a file of `size` bytes; nil when the range cannot be satisfied.
    func resolved(in size: Int64) -> FilePart? {
        switch self {
        case .from(let first, let last):
            guard first < size else { return nil }
            return FilePart(first: first, last: min(last ?? .max, size - 1), size: size)
        case .suffix(let length):
            guard length > 0, size > 0 else { return nil }
            return FilePart(first: max(0, size - length), last: size - 1, size: size)
        }
    }

    /// Reads at least one digit. A number that is too large counts as the largest one.
    private static func number(_ text: Substring) -> Int64? {
        guard text.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
        return Int64(text) ?? .max
    }
}

/// A part of a file of known size.
struct FilePart: Sendable, Hashable {
    var first: Int64
    /// Inclusive.
    var last: Int64
    /// The length of the whole file.
    var size: Int64

    var count: Int64 { last - first + 1 }
    /// The value of `Content-Range`.
    var contentRange: String { "bytes \(first)-\(last)/\(size)" }
}
