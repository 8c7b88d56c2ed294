/// The id of an export: a UUID of version 7 (RFC 9562, 5.7), so that ids sort by time and cannot be guessed.
public struct ExportID: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// The canonical text, lower case: `01981f3e-7c1a-7b52-9d3e-0242ac120002`.
    public let description: String

    /// Makes an id from a time and 74 bits of randomness.
    public init(at time: Timestamp, random: inout some RandomNumberGenerator) {
        let milliseconds = UInt64(max(0, time.milliseconds)) & 0xFFFF_FFFF_FFFF
        let high = milliseconds << 16 | 0x7000 | UInt64.random(in: 0...0xFFF, using: &random)
        let low = 0x8000_0000_0000_0000 | (UInt64.random(in: .min ... .max, using: &random) >> 2)
        description = String(unsafeUninitializedCapacity: 36) { text in
            var end = 0
            for number in 0..<32 {
                if [8, 12, 16, 20].contains(number) {
                    text.initializeElement(at: end, to: UInt8(ascii: "-"))
                    end += 1
                }
                let half = number < 16 ? high : low
                let digit = UInt8(truncatingIfNeeded: half >> (60 - 4 * UInt64(number % 16)) & 0xF)
                text.initializeElement(at: end, to: digit + UInt8(ascii: digit < 10 ? "0" : "W"))
                end += 1
            }
            return end
        }
    }

    /// Reads a canonical UUID of any version, either case; nil for anything else.
    public init?(_ text: some StringProtocol) {
        guard UUIDText.isValid(text) else { return nil }
        // Most are as they are written here.
        description = text.utf8.contains { (0x41...0x46).contains($0) } ? text.lowercased() : String(text)
    }

    public static func < (lhs: ExportID, rhs: ExportID) -> Bool { lhs.description < rhs.description }
}

extension ExportID: Codable {
    public init(from decoder: any Decoder) throws {
        let text = try decoder.singleValueContainer().decode(String.self)
        guard let id = ExportID(text) else {
            throw DecodingError.dataCorrupted(.init(codingPath: decoder.codingPath, debugDescription: "not a UUID"))
        }
        self = id
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}

/// The shape of a UUID's text.
public enum UUIDText {
    /// Whether `text` is 8-4-4-4-12 hexadecimal digits, either case.
    public static func isValid(_ text: some StringProtocol) -> Bool {
        var count = 0
        for byte in text.utf8 {
            let isRight =
                switch count {
                case 8, 13, 18, 23: byte == UInt8(ascii: "-")
                case 0..<36: isHexDigit(byte)
                default: false
                }
            guard isRight else { return false }
            count += 1
        }
        return count == 36
    }

    /// Whether `byte` is 0–9, a–f or A–F.
    public static func isHexDigit(_ byte: UInt8) -> Bool {
        (0x30...0x39).contains(byte) || (0x41...0x46).contains(byte) || (0x61...0x66).contains(byte)
    }
}
