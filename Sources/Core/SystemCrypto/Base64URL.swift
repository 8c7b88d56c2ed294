/// Base 64 with the alphabet that needs no escaping in URLs and file names (RFC 4648, 5).
public enum Base64URL {
    /// Without padding.
    public static func encode(_ bytes: some Collection<UInt8>) -> String {
        var text: [UInt8] = []
        text.reserveCapacity((bytes.count * 4 + 2) / 3)
        var pending: UInt32 = 0
        var bits = 0
        for byte in bytes {
            pending = pending << 8 | UInt32(byte)
            bits += 8
            while bits >= 6 {
                bits -= 6
                text.append(alphabet[Int(pending >> UInt32(bits) & 0x3F)])
            }
        }
        if bits > 0 {
            text.append(alphabet[Int(pending << UInt32(6 - bits) & 0x3F)])
        }
        return String(decoding: text, as: UTF8.self)
    }

    /// The bytes of a text, without padding; `paddingAllowed` takes it with the right padding too, as some libraries write.
    ///
    /// Nil for any other character, a wrong length, or spare bits that are not zero: one byte string has one text, so
    /// that a signed text cannot be altered unnoticed (RFC 4648, 3.5).
    public static func decode(_ text: some StringProtocol, paddingAllowed: Bool = false) -> [UInt8]? {
        var characters = Substring(text).utf8
        let length = characters.count
        var padding = 0
        while padding < 2, characters.last == UInt8(ascii: "=") {
            characters.removeLast()
            padding += 1
        }
        guard padding == 0 || (paddingAllowed && length % 4 == 0) else { return nil }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(characters.count * 3 / 4)
        var pending: UInt32 = 0
        var bits = 0
        for character in characters {
            guard let value = value(of: character) else { return nil }
            pending = pending << 6 | value
            bits += 6
            if bits >= 8 {
                bits -= 8
                bytes.append(UInt8(truncatingIfNeeded: pending >> UInt32(bits)))
            }
        }
        guard bits < 6, pending & ((1 << UInt32(bits)) - 1) == 0 else { return nil }
        return bytes
    }

    private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".utf8)

    private static func value(of character: UInt8) -> UInt32? {
        switch character {
        case 0x41...0x5A: UInt32(character - 0x41)
        case 0x61...0x7A: UInt32(character - 0x61 + 26)
        case 0x30...0x39: UInt32(character - 0x30 + 52)
        case UInt8(ascii: "-"): 62
        case UInt8(ascii: "_"): 63
        default: nil
        }
    }
}
