/// The part of a file that is requested from an upstream: from a byte to the end, or to another byte.
///
/// An upstream may still answer with the whole file; ``FileBody/Head/range`` says what came.
public struct FileRange: Sendable, Hashable {
    /// The place of the first byte, counted from 0.
    public var first: Int64
    /// The place of the last byte, inclusive; nil for the end of the file.
    public var last: Int64?
    /// The strong validator that an earlier answer had (``FileBody/Head/validator``): the part is wanted only if the file
    /// is still the same, else the whole (`If-Range`, RFC 9110, 13.1.5).
    public var validator: String?

    /// Makes a range; `last` must not lie before `first`.
    public init(first: Int64, last: Int64? = nil, validator: String? = nil) {
        self.first = first
        self.last = last
        self.validator = validator
    }
}

/// Which part of the file an answer holds (`Content-Range`, RFC 9110, 14.4).
public struct ContentRange: Sendable, Hashable {
    public var first: Int64
    /// The last byte, inclusive.
    public var last: Int64
    /// The length of the whole file, where the upstream knows it.
    public var completeLength: Int64?

    /// Makes a range.
    public init(first: Int64, last: Int64, completeLength: Int64? = nil) {
        self.first = first
        self.last = last
        self.completeLength = completeLength
    }

    /// Reads `bytes 5-9/10` and `bytes 5-9/*`; nil for anything else, and for a range that contradicts itself.
    public init?(field: String) {
        let words = field.split(separator: " ", omittingEmptySubsequences: true)
        guard words.count == 2, words[0].lowercased() == "bytes" else { return nil }
        let parts = words[1].split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 2 else { return nil }
        let bounds = parts[0].split(separator: "-", omittingEmptySubsequences: false)
        guard bounds.count == 2, let first = Self.number(bounds[0]), let last = Self.number(bounds[1]), first <= last,
            // So that `last + 1`, the length, does not overflow.
            last < .max
        else { return nil }
        if parts[1] == "*" {
            self.init(first: first, last: last)
        } else {
            guard let length = Self.number(parts[1]), last < length else { return nil }
            self.init(first: first, last: last, completeLength: length)
        }
    }

    private static func number(_ text: Substring) -> Int64? {
        guard !text.isEmpty, text.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
        return Int64(text)
    }
}
