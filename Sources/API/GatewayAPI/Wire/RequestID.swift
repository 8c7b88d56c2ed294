import HTTPTypes

/// The id of a request in logs, answers and calls upstream.
enum RequestID {
    /// The id that the client sent, if it is 1 to 64 letters, digits, `.`, `_` and `-`; else a new one.
    static func of(_ fields: HTTPFields, random: inout some RandomNumberGenerator) -> String {
        let lines = fields[values: .requestID]
        if lines.count == 1, isValid(lines[0]) { return lines[0] }
        return make(using: &random)
    }

    /// A new id: 16 hexadecimal digits.
    static func make(using random: inout some RandomNumberGenerator) -> String {
        let number = UInt64.random(in: .min ... .max, using: &random)
        return String(unsafeUninitializedCapacity: 16) { digits in
            for place in 0..<16 {
                let digit = UInt8(truncatingIfNeeded: number >> (60 - 4 * place)) & 0xF
                digits[place] = digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "a") + digit - 10
            }
            return 16
        }
    }

    /// Whether a text is 1 to 64 letters, digits, `.`, `_` and `-`.
    static func isValid(_ text: String) -> Bool {
        (1...64).contains(text.utf8.count)
            && text.utf8.allSatisfy { byte in
                switch byte {
                case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
                default: "._-".utf8.contains(byte)
                }
            }
    }
}
