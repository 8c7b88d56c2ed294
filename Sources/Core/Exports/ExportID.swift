/// The id of an export: a UUID of version 7 (RFC 9562, 5.7), so that ids sort by time and cannot be guessed.
public struct ExportID: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// The 128 bits, as the text shows them. Two numbers and no text: there are many of them in memory.
    private let high: UInt64
    private let low: UInt64

    /// Makes an id from a time and 74 bits of randomness.
    public init(at time: Timestamp, random: inout some RandomNumberGenerator) {
        let milliseconds = UInt64(max(0, time.milliseconds)) & 0xFFFF_FFFF_FFFF
        high = milliseconds << 16 | 0x7000 | (random.next() >> 52)
        low = 0x8000_0000_0000_0000 | (random.next() >> 2)
    }

    /// Reads a canonical UUID of any version, either case; nil for anything else.
    public init?(_ text: String) {
        self.init(text[...])
    }

    /// Reads a canonical UUID of any version, either case; nil for anything else.
    public init?(_ text: Substring) {
        var text = text
        guard let id = text.withUTF8({ ExportID(utf8: $0) }) else { return nil }
        self = id
    }

    /// Reads a canonical UUID of any version, either case; nil for anything else.
    public init?(utf8 bytes: UnsafeBufferPointer<UInt8>) {
        guard UUIDText.isValid(bytes) else { return nil }
        var (high, low, count): (UInt64, UInt64, Int) = (0, 0, 0)
        for byte in bytes where byte != UInt8(ascii: "-") {
            // The low four bits of `a` and of `A` are 1, so that adding 9 gives 10.
            let digit = UInt64(byte & 0xF) + (byte > 0x39 ? 9 : 0)
            if count < 16 { high = high << 4 | digit } else { low = low << 4 | digit }
            count += 1
        }
        (self.high, self.low) = (high, low)
    }

    /// The 128 bits, as two halves.
    public var bits: (high: UInt64, low: UInt64) { (high, low) }

    /// The time of creation that it contains (RFC 9562, 5.7).
    public var createdAt: Timestamp { Timestamp(milliseconds: Int64(high >> 16)) }

    /// The canonical text, lower case: `01981f3e-7c1a-7b52-9d3e-0242ac120002`.
    public var description: String {
        String(unsafeUninitializedCapacity: 36) { text in
            write(to: text)
            return text.count
        }
    }

    /// Appends the canonical text: no string is made of it.
    public func append(to bytes: inout [UInt8]) {
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 36) { text in
            write(to: text)
            bytes.append(contentsOf: text)
        }
    }

    /// - Parameter text: 36 bytes.
    private func write(to text: UnsafeMutableBufferPointer<UInt8>) {
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
        var text = Substring(text)
        return text.withUTF8(isValid)
    }

    static func isValid(_ bytes: UnsafeBufferPointer<UInt8>) -> Bool {
        guard bytes.count == 36 else { return false }
        for (place, byte) in bytes.enumerated() {
            switch place {
            case 8, 13, 18, 23: guard byte == UInt8(ascii: "-") else { return false }
            default: guard isHexDigit(byte) else { return false }
            }
        }
        return true
    }

    /// Whether `byte` is 0–9, a–f or A–F.
    @inlinable
    public static func isHexDigit(_ byte: UInt8) -> Bool {
        (0x30...0x39).contains(byte) || (0x41...0x46).contains(byte) || (0x61...0x66).contains(byte)
    }
}
