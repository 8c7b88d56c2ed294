/// The id of an export: a UUID of version 7 (RFC 9562, 5.7), so that ids sort by time and cannot be guessed.
public struct ExportID: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// The 128 bits, as the text shows them. Two numbers and no text: there are many of them in memory.
    private let high: UInt64
    private let low: UInt64

    /// Makes an id from a time and 74 bits of randomness.
    public init(at time: Timestamp, random: inout some RandomNumberGenerator) {
        let milliseconds = UInt64(max(0, time.milliseconds)) & 0xFFFF_FFFF_FFFF
        high = milliseconds << 16 | 0x7000 | UInt64.random(in: 0...0xFFF, using: &random)
        low = 0x8000_0000_0000_0000 | (UInt64.random(in: .min ... .max, using: &random) >> 2)
    }

    /// Reads a canonical UUID of any version, either case; nil for anything else.
    public init?(_ text: some StringProtocol) {
        guard UUIDText.isValid(text) else { return nil }
        var (high, low, count): (UInt64, UInt64, Int) = (0, 0, 0)
        for byte in text.utf8 where byte != UInt8(ascii: "-") {
            // The low bits of `a` and of `A` are 1.
            let digit = UInt64(byte & 0xF) + (byte > 0x39 ? 9 : 0)
            if count < 16 { high = high << 4 | digit } else { low = low << 4 | digit }
            count += 1
        }
        (self.high, self.low) = (high, low)
    }

    /// The canonical text, lower case: `01981f3e-7c1a-7b52-9d3e-0242ac120002`.
    public var description: String {
        String(unsafeUninitializedCapacity: 36) { text in
            var place = 0
            for index in 0..<32 {
                if index == 8 || index == 12 || index == 16 || index == 20 {
                    text[place] = UInt8(ascii: "-")
                    place += 1
                }
                let bits = index < 16 ? high >> UInt64(60 - 4 * index) : low >> UInt64(60 - 4 * (index - 16))
                let digit = UInt8(truncatingIfNeeded: bits & 0xF)
                text[place] = digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "a") - 10 + digit
                place += 1
            }
            return place
        }
    }

    public static func < (lhs: ExportID, rhs: ExportID) -> Bool { (lhs.high, lhs.low) < (rhs.high, rhs.low) }
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
