import Exports

/// Reads one JSON text (RFC 8259) strictly: a member name may stand once in its object, and nothing is nested deeper
/// than a limit. Foundation's decoder keeps one of two equal names silently, and which one is seen by whom is how
/// requests get past a check.
struct JSONParser {
    /// Why a text is not taken: a sentence for the client, and where.
    struct Failure: Error, Hashable {
        var reason: String
        /// The byte offset.
        var offset: Int
        /// The object or array in which it stands, as a JSON Pointer.
        var pointer: String
    }

    private let bytes: [UInt8]
    private var position = 0
    private let maxDepth: Int
    private var path: [String] = []

    /// Reads a whole text. Throws `Failure` at the first byte that cannot stand.
    static func parse(_ bytes: [UInt8], maxDepth: Int = 32) throws(Failure) -> JSONValue {
        var parser = JSONParser(bytes: bytes, maxDepth: maxDepth)
        // Must not be sent, and may be ignored (RFC 8259, 8.1): editors and PowerShell put it before files.
        if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { parser.position = 3 }
        let value = try parser.value(depth: 0)
        parser.skipSpace()
        guard parser.position == bytes.count else { throw parser.failure("has text after the end of the value") }
        return value
    }

    private init(bytes: [UInt8], maxDepth: Int) {
        self.bytes = bytes
        self.maxDepth = maxDepth
    }

    private func failure(_ reason: String) -> Failure {
        Failure(reason: reason, offset: position, pointer: path.map { JSONPointer.step($0) }.joined())
    }

    private var next: UInt8? { position < bytes.count ? bytes[position] : nil }

    private mutating func skipSpace() {
        while let byte = next, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 { position += 1 }
    }

    private mutating func take(_ character: Unicode.Scalar) -> Bool {
        guard next == UInt8(ascii: character) else { return false }
        position += 1
        return true
    }

    private mutating func value(depth: Int) throws(Failure) -> JSONValue {
        skipSpace()
        guard let byte = next else { throw failure("ends before a value") }
        switch byte {
        case UInt8(ascii: "{"): return try object(depth: depth)
        case UInt8(ascii: "["): return try array(depth: depth)
        case UInt8(ascii: "\""): return .string(try string())
        case UInt8(ascii: "t"): return try word("true", .bool(true))
        case UInt8(ascii: "f"): return try word("false", .bool(false))
        case UInt8(ascii: "n"): return try word("null", .null)
        case UInt8(ascii: "-"), 0x30...0x39: return try number()
        default: throw failure("has a character that starts no value")
        }
    }

    private mutating func word(_ word: String, _ value: JSONValue) throws(Failure) -> JSONValue {
        guard bytes[position...].starts(with: word.utf8) else { throw failure("has a word that is not a value") }
        position += word.utf8.count
        return value
    }

    private mutating func object(depth: Int) throws(Failure) -> JSONValue {
        guard depth < maxDepth else { throw failure("is nested deeper than \(maxDepth) levels") }
        position += 1
        var members: [String: JSONValue] = [:]
        skipSpace()
        if take("}") { return .object(members) }
        repeat {
            skipSpace()
            guard next == UInt8(ascii: "\"") else { throw failure("needs a member name in quotes") }
            let name = try string()
            path.append(name)
            guard members[name] == nil else { throw failure("has this member twice") }
            skipSpace()
            guard take(":") else { throw failure("needs a colon after a member name") }
            members[name] = try value(depth: depth + 1)
            path.removeLast()
            skipSpace()
        } while take(",")
        guard take("}") else { throw failure("has an object that is not closed") }
        return .object(members)
    }

    private mutating func array(depth: Int) throws(Failure) -> JSONValue {
        guard depth < maxDepth else { throw failure("is nested deeper than \(maxDepth) levels") }
        position += 1
        var elements: [JSONValue] = []
        skipSpace()
        if take("]") { return .array(elements) }
        repeat {
            path.append(String(elements.count))
            elements.append(try value(depth: depth + 1))
            path.removeLast()
            skipSpace()
        } while take(",")
        guard take("]") else { throw failure("has an array that is not closed") }
        return .array(elements)
    }

    private mutating func number() throws(Failure) -> JSONValue {
        let start = position
        var isInteger = true
        _ = take("-")
        guard let first = next, isDigit(first) else { throw failure("has a number without digits") }
        position += 1
        if first != UInt8(ascii: "0") { skipDigits() }
        if take(".") {
            isInteger = false
            guard let digit = next, isDigit(digit) else { throw failure("has a number without digits after its point") }
            skipDigits()
        }
        if next == UInt8(ascii: "e") || next == UInt8(ascii: "E") {
            isInteger = false
            position += 1
            if next == UInt8(ascii: "+") || next == UInt8(ascii: "-") { position += 1 }
            guard let digit = next, isDigit(digit) else { throw failure("has a number without digits in its exponent") }
            skipDigits()
        }
        let text = String(decoding: bytes[start..<position], as: UTF8.self)
        if isInteger, let value = Int64(text) { return .integer(value) }
        guard let value = Double(text), value.isFinite else {
            position = start
            throw failure("has a number that is too large")
        }
        return .number(value)
    }

    private func isDigit(_ byte: UInt8) -> Bool { (0x30...0x39).contains(byte) }

    private mutating func skipDigits() {
        while let byte = next, isDigit(byte) { position += 1 }
    }

    private mutating func string() throws(Failure) -> String {
        position += 1
        let start = position
        while let byte = next, byte >= 0x20, byte != UInt8(ascii: "\""), byte != UInt8(ascii: "\\") { position += 1 }
        // Up to the end, or to what is not to be taken as it is.
        var text = Array(bytes[start..<position])
        while let byte = next {
            switch byte {
            case UInt8(ascii: "\""):
                guard let string = String(validating: text, as: UTF8.self) else {
                    throw failure("has a string that is not UTF-8")
                }
                position += 1
                return string
            case UInt8(ascii: "\\"):
                position += 1
                try appendEscape(to: &text)
            case 0..<0x20:
                throw failure("has a control character in a string")
            default:
                text.append(byte)
                position += 1
            }
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
        case UInt8(ascii: "u"):
            let unit = try codeUnit()
            var value = UInt32(unit)
            if (0xD800...0xDBFF).contains(unit) {
                guard take("\\"), take("u") else { throw failure("has half of a surrogate pair") }
                let low = try codeUnit()
                guard (0xDC00...0xDFFF).contains(low) else { throw failure("has half of a surrogate pair") }
                value = 0x10000 + (UInt32(unit) - 0xD800) << 10 + (UInt32(low) - 0xDC00)
            }
            guard let scalar = Unicode.Scalar(value) else { throw failure("has half of a surrogate pair") }
            text.append(contentsOf: Array(String(scalar).utf8))
        default:
            throw failure("has an escape that JSON does not know")
        }
    }

    private mutating func codeUnit() throws(Failure) -> UInt16 {
        guard position + 4 <= bytes.count,
            bytes[position..<position + 4].allSatisfy(UUIDText.isHexDigit),
            let unit = UInt16(String(decoding: bytes[position..<position + 4], as: UTF8.self), radix: 16)
        else { throw failure("has a \\u escape without four hexadecimal digits") }
        position += 4
        return unit
    }
}
