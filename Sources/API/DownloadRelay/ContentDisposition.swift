import HTTPFields

/// The `Content-Disposition` of a download (RFC 6266), and the file name in it.
enum ContentDisposition {
    /// `attachment` with the file's name in both forms: ASCII for old readers, UTF-8 (RFC 8187) for all others.
    static func attachment(named name: String) -> String {
        let name = FileName.safe(name)
        return "attachment; filename=\"\(asciiName(name))\"; filename*=UTF-8''\(extendedValue(name))"
    }

    /// The name with `_` for each character that is not plain ASCII; `%` too, which some readers decode
    /// (RFC 6266, appendix D).
    private static func asciiName(_ name: String) -> String {
        String(name.map { $0.isASCII && $0 != "%" ? $0 : "_" })
    }

    /// The name as `value-chars` (RFC 8187, 3.2.1).
    private static func extendedValue(_ name: String) -> String {
        let digits = Array("0123456789ABCDEF".utf8)
        var value: [UInt8] = []
        for byte in name.utf8 {
            switch byte {
            case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: value.append(byte)
            case _ where "!#$&+-.^_`|~".utf8.contains(byte): value.append(byte)
            default: value += [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 0xF)]]
            }
        }
        return String(decoding: value, as: UTF8.self)
    }
}
