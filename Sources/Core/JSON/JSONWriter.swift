/// Writes one JSON text, with the members in the order in which they are added: in all answers, `id` comes first.
public struct JSONWriter {
    /// What was written.
    public private(set) var bytes: [UInt8] = []
    private var needsComma = false

    /// Makes the text of one object.
    public static func object(reserving length: Int = 0, _ write: (inout JSONWriter) -> Void) -> [UInt8] {
        var writer = JSONWriter()
        writer.bytes.reserveCapacity(length)
        writer.object(write)
        return writer.bytes
    }

    /// Writes an object as the next value.
    public mutating func object(_ write: (inout JSONWriter) -> Void) {
        begin("{")
        write(&self)
        end("}")
    }

    /// Writes an array as the next value.
    public mutating func array<Element>(_ elements: [Element], _ write: (inout JSONWriter, Element) -> Void) {
        begin("[")
        for element in elements { write(&self, element) }
        end("]")
    }

    /// Writes a member's name; its value must follow.
    public mutating func name(_ name: String) {
        separate()
        quoted(name)
        bytes.append(UInt8(ascii: ":"))
        needsComma = false
    }

    /// Writes a member, or nothing when there is no value: absent, never null.
    public mutating func member(_ name: String, _ value: JSONValue?) {
        guard let value else { return }
        self.name(name)
        self.value(value)
    }

    /// Writes a member, or nothing when there is no value.
    public mutating func member(_ name: String, _ value: String?) {
        guard let value else { return }
        self.name(name)
        string(value)
    }

    /// Writes a member that is an object.
    public mutating func member(_ name: String, object write: (inout JSONWriter) -> Void) {
        self.name(name)
        object(write)
    }

    /// Writes any value, the members of objects by name.
    public mutating func value(_ value: JSONValue) {
        switch value {
        case .null: literal("null")
        case .bool(let flag): literal(flag ? "true" : "false")
        case .integer(let number): literal(String(number))
        case .number(let number): literal(number.isFinite ? "\(number)" : "null")
        case .string(let text): string(text)
        case .array(let elements): array(elements) { $0.value($1) }
        case .object(let members):
            object { writer in
                for (name, value) in members.sorted(by: { $0.key < $1.key }) { writer.member(name, value) }
            }
        }
    }

    /// Writes a JSON text as the next value.
    public mutating func text(_ bytes: [UInt8]) {
        separate()
        self.bytes += bytes
        needsComma = true
    }

    private mutating func literal(_ text: String) {
        separate()
        bytes.append(contentsOf: text.utf8)
        needsComma = true
    }

    private mutating func separate() {
        if needsComma { bytes.append(UInt8(ascii: ",")) }
    }

    private mutating func begin(_ bracket: Unicode.Scalar) {
        separate()
        bytes.append(UInt8(ascii: bracket))
        needsComma = false
    }

    private mutating func end(_ bracket: Unicode.Scalar) {
        bytes.append(UInt8(ascii: bracket))
        needsComma = true
    }

    private mutating func string(_ text: String) {
        separate()
        quoted(text)
        needsComma = true
    }

    private mutating func quoted(_ text: String) {
        bytes.append(UInt8(ascii: "\""))
        var text = text
        text.withUTF8 { text in
            // The usual case: there is nothing to escape.
            if text.contains(where: Self.isEscaped) {
                for byte in text { escaped(byte) }
            } else {
                bytes.append(contentsOf: text)
            }
        }
        bytes.append(UInt8(ascii: "\""))
    }

    private static func isEscaped(_ byte: UInt8) -> Bool {
        byte < 0x20 || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") || byte == 0x7F
    }

    private mutating func escaped(_ byte: UInt8) {
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"): bytes += [UInt8(ascii: "\\"), byte]
        case 0x0A: bytes += Array("\\n".utf8)
        case 0x0D: bytes += Array("\\r".utf8)
        case 0x09: bytes += Array("\\t".utf8)
        case 0..<0x20, 0x7F:
            let digits = Array("0123456789abcdef".utf8)
            bytes += Array("\\u00".utf8) + [digits[Int(byte >> 4)], digits[Int(byte & 0xF)]]
        default: bytes.append(byte)
        }
    }
}
