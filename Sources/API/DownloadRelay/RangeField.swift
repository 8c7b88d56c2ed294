import HTTPFields

/// The one range that a `Range` field asks for (RFC 9110, 14.1.2).
enum RangeField: Sendable, Hashable {
    /// From a byte to another, itself included, or to the end.
    case from(Int64, to: Int64?)
    /// The last so many bytes.
    case suffix(Int64)

    /// Reads the joined field lines; nil where the field is to be ignored (RFC 9110, 14.2): another unit, what is no
    /// range, and several ranges, which nobody needs for one file and which cost a multipart body.
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

    /// The bytes of a file of `size` bytes that are meant; nil when there are none: the range cannot be satisfied.
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

    /// Digits, at least one; a number that is too large for any file is the largest.
    private static func number(_ text: Substring) -> Int64? {
        guard text.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
        return Int64(text) ?? .max
    }
}

/// A part of a file of known size.
struct FilePart: Sendable, Hashable {
    var first: Int64
    /// Itself included.
    var last: Int64
    /// The length of the whole file.
    var size: Int64

    var count: Int64 { last - first + 1 }
    /// The value of `Content-Range`.
    var contentRange: String { "bytes \(first)-\(last)/\(size)" }
}
