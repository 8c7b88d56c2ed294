/// Numbers and strings.
extension JSONParser {
    /// A number as JSON writes it: an integer where it fits 64 bits, else a double.
    mutating func number() throws(Failure) -> JSONValue {
        let start = position
        let isNegative = take("-")
        guard let first = next, isDigit(first) else {
            if rules.isLenient, isNegative, takeInfinity() { return .null }
            throw failure("has a number without digits")
        }
        var whole: Int64? = 0
        let digits = position
        while let byte = next, isDigit(byte) {
            position += 1
            // Eighteen digits always fit into 64 bits.
            whole = position - digits > 18 ? nil : whole.map { $0 * 10 + Int64(byte - 0x30) }
        }
        guard first != UInt8(ascii: "0") || position - digits == 1 || rules.isLenient else {
            position = digits + 1
            throw failure("has a digit after a leading zero")
        }
        let isInteger = try !takeFraction()
        if isInteger, let whole { return .integer(isNegative ? -whole : whole) }
        // No real number is that long. Reading it would only cost time.
        if rules.isLenient, position - start > 512 { return .null }
        let text = String(decoding: UnsafeBufferPointer(rebasing: bytes[start..<position]), as: UTF8.self)
        if isInteger, let value = Int64(text) { return .integer(value) }
        if let value = Double(text), value.isFinite { return .number(value) }
        if rules.isLenient { return .null }
        position = start
        throw failure("has a number that is too large")
    }

    /// Passes over a fraction and an exponent; whether there was one.
    private mutating func takeFraction() throws(Failure) -> Bool {
        var isThere = false
        if take(".") {
            isThere = true
            guard next.map(isDigit) ?? false || rules.isLenient else {
                throw failure("has a number without digits after its point")
            }
            skipDigits()
        }
        if next == UInt8(ascii: "e") || next == UInt8(ascii: "E") {
            isThere = true
            position += 1
            if next == UInt8(ascii: "+") || next == UInt8(ascii: "-") { position += 1 }
            guard let digit = next, isDigit(digit) else { throw failure("has a number without digits in its exponent") }
            skipDigits()
        }
        return isThere
    }

    private mutating func takeInfinity() -> Bool {
        guard bytes[position...].starts(with: "Infinity".utf8) else { return false }
        position += 8
        return true
    }

    private func isDigit(_ byte: UInt8) -> Bool { (0x30...0x39).contains(byte) }

    private mutating func skipDigits() {
        while let byte = next, isDigit(byte) { position += 1 }
    }

    /// The text of a string, whose opening quote is next.
    mutating func string() throws(Failure) -> String {
        position += 1
        let start = position
        while let byte = next, byte >= 0x20, byte != UInt8(ascii: "\""), byte != UInt8(ascii: "\\") { position += 1 }
        if next == UInt8(ascii: "\"") {
            let text = try text(UnsafeBufferPointer(rebasing: bytes[start..<position]))
            position += 1
            return text
        }
        var text = Array(bytes[start..<position])
        while let byte = next {
            switch byte {
            case UInt8(ascii: "\""):
                let string = try text.withUnsafeBufferPointer { self.result(of: $0) }.get()
                position += 1
                return string
            case UInt8(ascii: "\\"):
                position += 1
                try appendEscape(to: &text)
            case 0..<0x20 where !rules.isLenient:
                throw failure("has a control character in a string")
            default:
                text.append(byte)
                position += 1
            }
        }
        throw failure("has a string that is not closed")
    }

    private func text(_ bytes: UnsafeBufferPointer<UInt8>) throws(Failure) -> String { try result(of: bytes).get() }

    private func result(of bytes: UnsafeBufferPointer<UInt8>) -> Result<String, Failure> {
        if rules.isLenient { return .success(String(decoding: bytes, as: UTF8.self)) }
        guard let text = String(validating: bytes, as: UTF8.self) else {
            return .failure(failure("has a string that is not UTF-8"))
        }
        return .success(text)
    }

    /// Passes over a string, whose opening quote is next.
    mutating func skipString() throws(Failure) {
        position += 1
        while let byte = next {
            position += byte == UInt8(ascii: "\\") ? 2 : 1
            if byte == UInt8(ascii: "\"") { return }
        }
        throw failure("has a string that is not closed")
    }

    private mutating func appendEscape(to text: inout [UInt8]) throws(Failure) {
        guard let byte = next else { throw failure("has a string that is not closed") }
        position += 1
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): text.append(byte)
        case UInt8(ascii: "b"): text.append(0x08)
        case UInt8(ascii: "f"): text.append(0x0C)
        case UInt8(ascii: "n"): text.append(0x0A)
        case UInt8(ascii: "r"): text.append(0x0D)
        case UInt8(ascii: "t"): text.append(0x09)
        case UInt8(ascii: "u"): text += Array(String(try scalar()).utf8)
        case _ where rules.isLenient: text.append(byte)
        default: throw failure("has an escape that JSON does not know")
        }
    }

    /// The scalar of a `\u` escape, of two where they are a pair.
    private mutating func scalar() throws(Failure) -> Unicode.Scalar {
        guard let unit = codeUnit(at: position) else {
            if rules.isLenient { return "\u{FFFD}" }
            throw failure("has a \\u escape without four hexadecimal digits")
        }
        position += 4
        if let scalar = Unicode.Scalar(unit) { return scalar }
        if (0xD800...0xDBFF).contains(unit), position + 6 <= bytes.count, bytes[position] == UInt8(ascii: "\\"),
            bytes[position + 1] == UInt8(ascii: "u"), let low = codeUnit(at: position + 2),
            (0xDC00...0xDFFF).contains(low),
            let scalar = Unicode.Scalar(0x10000 + (unit - 0xD800) << 10 + (low - 0xDC00))
        {
            position += 6
            return scalar
        }
        if rules.isLenient { return "\u{FFFD}" }
        throw failure("has half of a surrogate pair")
    }

    private func codeUnit(at index: Int) -> UInt32? {
        guard index + 4 <= bytes.count else { return nil }
        var unit: UInt32 = 0
        for byte in bytes[index..<index + 4] {
            switch byte {
            case 0x30...0x39: unit = unit << 4 | UInt32(byte - 0x30)
            case 0x41...0x46, 0x61...0x66: unit = unit << 4 | UInt32((byte | 0x20) - 0x57)
            default: return nil
            }
        }
        return unit
    }
}
