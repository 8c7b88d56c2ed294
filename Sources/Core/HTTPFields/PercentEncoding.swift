/// Percent-encoding (RFC 3986, 2.1: https://www.rfc-editor.org/rfc/rfc3986#section-2.1).
public enum PercentEncoding {
    /// The decoded text; nil for a broken escape, and for bytes that are not UTF-8.
    ///
    /// - Parameter plusIsSpace: As in `application/x-www-form-urlencoded`, which is what clients put into queries.
    public static func decode(_ text: some StringProtocol, plusIsSpace: Bool = false) -> String? {
        var isBroken = false
        let bytes = bytes(of: text, plusIsSpace: plusIsSpace, &isBroken)
        return isBroken ? nil : String(validating: bytes, as: UTF8.self)
    }

    /// The text with every valid escape decoded; a broken escape stays as it is, bytes that are not UTF-8 are replaced.
    public static func decodeLeniently(_ text: some StringProtocol, plusIsSpace: Bool = false) -> String {
        var isBroken = false
        return String(decoding: bytes(of: text, plusIsSpace: plusIsSpace, &isBroken), as: UTF8.self)
    }

    /// The text with every byte escaped that is neither unreserved (RFC 3986, 2.3) nor in `kept`.
    public static func encode(_ text: some StringProtocol, keeping kept: String = "", lowerCase: Bool = false) -> String
    {
        let digits = Array((lowerCase ? "0123456789abcdef" : "0123456789ABCDEF").utf8)
        var bytes: [UInt8] = []
        bytes.reserveCapacity(text.utf8.count)
        for byte in text.utf8 {
            switch byte {
            case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x2E, 0x5F, 0x7E: bytes.append(byte)
            case _ where byte < 0x80 && kept.utf8.contains(byte): bytes.append(byte)
            default: bytes += [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 0xF)]]
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// The value of a hexadecimal digit; nil for any other byte.
    public static func hexadecimalValue(_ byte: UInt8) -> UInt8? {
        switch byte {
        case 0x30...0x39: byte - 0x30
        case 0x41...0x46: byte - 0x41 + 10
        case 0x61...0x66: byte - 0x61 + 10
        default: nil
        }
    }

    private static func bytes(of text: some StringProtocol, plusIsSpace: Bool, _ isBroken: inout Bool) -> [UInt8] {
        let text = Array(text.utf8)
        var bytes: [UInt8] = []
        bytes.reserveCapacity(text.count)
        var index = 0
        while index < text.count {
            let byte = text[index]
            if byte == UInt8(ascii: "%") {
                if index + 2 < text.count, let high = hexadecimalValue(text[index + 1]),
                    let low = hexadecimalValue(text[index + 2])
                {
                    bytes.append(high << 4 | low)
                    index += 3
                    continue
                }
                isBroken = true
            }
            bytes.append(plusIsSpace && byte == UInt8(ascii: "+") ? UInt8(ascii: " ") : byte)
            index += 1
        }
        return bytes
    }
}
