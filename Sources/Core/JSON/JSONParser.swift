/// Reads one JSON text (RFC 8259: https://www.rfc-editor.org/rfc/rfc8259).
///
/// Time and memory are in proportion to the length of the text.
public struct JSONParser {
    /// What the parser accepts.
    public struct Rules: Sendable, Hashable {
        /// How deep arrays and objects may be nested. Deeper texts are refused; leniently, what is deeper is null.
        public var maxDepth: Int
        /// Reads as much as can be read. For what an upstream sends: one invalid value must not make a whole list unreadable.
        ///
        /// Accepted besides JSON: bytes that are not UTF-8 and halves of surrogate pairs (replaced by U+FFFD), control characters in
        /// strings, escapes that JSON does not define, a comma after the last element. A number that does not fit becomes null. Of equal
        /// member names, the last one counts. A text that is cut off, or followed by more text, is still refused.
        public var isLenient: Bool

        /// JSON as RFC 8259 defines it, and each member name at most once in its object. Parsers differ in which of two equal names
        /// counts, and attackers use that to get around checks.
        public static func strict(maxDepth: Int = 32) -> Rules { Rules(maxDepth: maxDepth, isLenient: false) }

        public static let lenient = Rules(maxDepth: 128, isLenient: true)
    }

    /// Why a text is refused, and where. `reason` completes a sentence such as "The body …".
    public struct Failure: Error, Hashable {
        public var reason: String
        /// The byte offset.
        public var offset: Int
        /// The object or array in which it stands, as a JSON Pointer.
        public var pointer: String

        /// Makes a failure.
        public init(reason: String, offset: Int, pointer: String) {
            self.reason = reason
            self.offset = offset
            self.pointer = pointer
        }
    }

    let bytes: UnsafeBufferPointer<UInt8>
    let rules: Rules
    var position = 0

    /// Reads a whole text, with or without a byte order mark. Throws `Failure` at the first byte that is not allowed.
    public static func parse(_ bytes: [UInt8], _ rules: Rules = .strict()) throws(Failure) -> JSONValue {
        try result(bytes.withUnsafeBufferPointer { parse($0, rules) })
    }

    /// Reads a whole text.
    public static func parse(_ text: String, _ rules: Rules = .strict()) throws(Failure) -> JSONValue {
        var text = text
        return try result(text.withUTF8 { parse($0, rules) })
    }

    private static func result(_ result: Result<JSONValue, Failure>) throws(Failure) -> JSONValue { try result.get() }

    private static func parse(_ bytes: UnsafeBufferPointer<UInt8>, _ rules: Rules) -> Result<JSONValue, Failure> {
        var parser = JSONParser(bytes: bytes, rules: rules)
        // A byte order mark must not be sent, but may be ignored (RFC 8259, 8.1). Some editors and PowerShell write it.
        if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { parser.position = 3 }
        do throws(Failure) {
            let value = try parser.value(depth: 0)
            parser.skipSpace()
            guard parser.position == bytes.count else { throw parser.failure("has text after the end of the value") }
            return .success(value)
        } catch {
            return .failure(error)
        }
    }

    private init(bytes: UnsafeBufferPointer<UInt8>, rules: Rules) {
        self.bytes = bytes
        self.rules = rules
    }

    func failure(_ reason: String) -> Failure { Failure(reason: reason, offset: position, pointer: "") }

    var next: UInt8? { position < bytes.count ? bytes[position] : nil }

    mutating func skipSpace() {
        while let byte = next, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 { position += 1 }
    }

    mutating func take(_ character: Unicode.Scalar) -> Bool {
        guard next == UInt8(ascii: character) else { return false }
        position += 1
        return true
    }

    private mutating func value(depth: Int) throws(Failure) -> JSONValue {
        skipSpace()
        guard let byte = next else { throw failure("ends before a value") }
        switch byte {
        case UInt8(ascii: "{"), UInt8(ascii: "["):
            if depth < rules.maxDepth {
                return try byte == UInt8(ascii: "{") ? object(depth: depth) : array(depth: depth)
            }
            guard rules.isLenient else { throw failure("is nested deeper than \(rules.maxDepth) levels") }
            try skipNested()
            return .null
        case UInt8(ascii: "\""): return .string(try string())
        case UInt8(ascii: "-"), 0x30...0x39: return try number()
        default: return try word()
        }
    }

    private mutating func word() throws(Failure) -> JSONValue {
        let start = position
        while let byte = next, (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte) { position += 1 }
        switch String(decoding: UnsafeBufferPointer(rebasing: bytes[start..<position]), as: UTF8.self) {
        case "true": return .bool(true)
        case "false": return .bool(false)
        case "null": return .null
        case "NaN" where rules.isLenient, "Infinity" where rules.isLenient: return .null
        default:
            let isWord = position > start
            position = start
            throw failure(isWord ? "has a word that is not a value" : "has a character that starts no value")
        }
    }

    private mutating func object(depth: Int) throws(Failure) -> JSONValue {
        position += 1
        var members: [String: JSONValue] = [:]
        skipSpace()
        if take("}") { return .object(members) }
        repeat {
            skipSpace()
            if rules.isLenient, next == UInt8(ascii: "}") { break }
            guard next == UInt8(ascii: "\"") else { throw failure("needs a member name in quotes") }
            let name = try string()
            do throws(Failure) {
                if !rules.isLenient, members[name] != nil { throw failure("has this member twice") }
                skipSpace()
                guard take(":") else { throw failure("needs a colon after a member name") }
                members[name] = try value(depth: depth + 1)
            } catch {
                throw error.below(name)
            }
            skipSpace()
        } while take(",")
        guard take("}") else { throw failure("has an object that is not closed") }
        return .object(members)
    }

    private mutating func array(depth: Int) throws(Failure) -> JSONValue {
        position += 1
        var elements: [JSONValue] = []
        skipSpace()
        if take("]") { return .array(elements) }
        repeat {
            skipSpace()
            if rules.isLenient, next == UInt8(ascii: "]") { break }
            do throws(Failure) {
                elements.append(try value(depth: depth + 1))
            } catch {
                throw error.below(String(elements.count))
            }
            skipSpace()
        } while take(",")
        guard take("]") else { throw failure("has an array that is not closed") }
        return .array(elements)
    }

    /// Skips a value that is nested too deeply.
    private mutating func skipNested() throws(Failure) {
        var open = 0
        while let byte = next {
            switch byte {
            case UInt8(ascii: "\""):
                try skipString()
                continue
            case UInt8(ascii: "{"), UInt8(ascii: "["): open += 1
            case UInt8(ascii: "}"), UInt8(ascii: "]"): open -= 1
            default: break
            }
            position += 1
            if open == 0 { return }
        }
        throw failure("has a value that is not closed")
    }
}

extension JSONParser.Failure {
    /// The failure, seen from the object or array in which a member or an element has it.
    fileprivate func below(_ step: String) -> JSONParser.Failure {
        JSONParser.Failure(reason: reason, offset: offset, pointer: JSONPointer.step(step) + pointer)
    }
}
