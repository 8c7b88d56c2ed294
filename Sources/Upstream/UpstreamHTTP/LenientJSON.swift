import Exports

/// Reads what an upstream sends as JSON (RFC 8259), as far as it can be read: one odd value must not cost a list of others.
///
/// Taken besides: a byte order mark, bytes that are no UTF-8 and halves of surrogate pairs (U+FFFD stands in their place),
/// control characters in strings, escapes that JSON does not know, commas after the last element. Numbers that do not fit
/// and values nested deeper than `deepest` levels are null. What is cut off, or followed by more, is no JSON. Of equal
/// member names the last counts.
///
/// Time and memory are in proportion to the length. What callers of the gateway send is read strictly, elsewhere.
struct LenientJSON {
    static let deepest = 128

    private let bytes: UnsafeBufferPointer<UInt8>
    private var position = 0

    /// The value; nil when the bytes are no JSON.
    static func parse(_ bytes: [UInt8]) -> JSONValue? {
        guard !bytes.isEmpty else { return nil }
        return bytes.withUnsafeBufferPointer { pointer in
            var reader = LenientJSON(bytes: pointer)
            if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { reader.position = 3 }
            guard let value = reader.value(depth: 0) else { return nil }
            reader.skipSpace()
            return reader.position == pointer.count ? value : nil
        }
    }

    private init(bytes: UnsafeBufferPointer<UInt8>) { self.bytes = bytes }

    private var next: UInt8? { position < bytes.count ? bytes[position] : nil }

    private mutating func skipSpace() {
        while position < bytes.count {
            switch bytes[position] {
            case 0x20, 0x0A, 0x0D, 0x09: position += 1
            default: return
            }
        }
    }

    private mutating func take(_ byte: UInt8) -> Bool {
        guard position < bytes.count, bytes[position] == byte else { return false }
        position += 1
        return true
    }

    private mutating func value(depth: Int) -> JSONValue? {
        skipSpace()
        guard let byte = next else { return nil }
        switch byte {
        case UInt8(ascii: "{"): return depth < Self.deepest ? object(depth: depth) : skipNested()
        case UInt8(ascii: "["): return depth < Self.deepest ? array(depth: depth) : skipNested()
        case UInt8(ascii: "\""): return string().map { .string($0) }
        default: return word()
        }
    }

    private mutating func object(depth: Int) -> JSONValue? {
        position += 1
        var members: [String: JSONValue] = [:]
        while true {
            skipSpace()
            if take(UInt8(ascii: "}")) { return .object(members) }
            guard next == UInt8(ascii: "\""), let name = string() else { return nil }
            skipSpace()
            guard take(UInt8(ascii: ":")), let value = value(depth: depth + 1) else { return nil }
            members[name] = value
            skipSpace()
            guard take(UInt8(ascii: ",")) || next == UInt8(ascii: "}") else { return nil }
        }
    }

    private mutating func array(depth: Int) -> JSONValue? {
        position += 1
        var elements: [JSONValue] = []
        while true {
            skipSpace()
            if take(UInt8(ascii: "]")) { return .array(elements) }
            guard let value = value(depth: depth + 1) else { return nil }
            elements.append(value)
            skipSpace()
            guard take(UInt8(ascii: ",")) || next == UInt8(ascii: "]") else { return nil }
        }
    }

    /// Null in place of what is nested too deeply; nil when it does not end.
    private mutating func skipNested() -> JSONValue? {
        var open = 0
        while let byte = next {
            switch byte {
            case UInt8(ascii: "\""):
                guard skipString() else { return nil }
                continue
            case UInt8(ascii: "{"), UInt8(ascii: "["): open += 1
            case UInt8(ascii: "}"), UInt8(ascii: "]"): open -= 1
            default: break
            }
            position += 1
            if open == 0 { return .null }
        }
        return nil
    }

    private mutating func skipString() -> Bool {
        position += 1
        while let byte = next {
            position += byte == UInt8(ascii: "\\") ? 2 : 1
            if byte == UInt8(ascii: "\"") { return true }
        }
        return false
    }

    /// A number, or one of the words.
    private mutating func word() -> JSONValue? {
        let start = position
        scan: while position < bytes.count {
            switch bytes[position] {
            case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, UInt8(ascii: "+"), UInt8(ascii: "-"), UInt8(ascii: "."):
                position += 1
            default: break scan
            }
        }
        let length = position - start
        guard length > 0 else { return nil }
        // Longer numbers than this are none of anybody's.
        guard length <= 512 else { return .null }
        let text = String(decoding: UnsafeBufferPointer(rebasing: bytes[start..<position]), as: UTF8.self)
        switch text {
        case "true": return .bool(true)
        case "false": return .bool(false)
        case "null", "NaN", "Infinity", "-Infinity": return .null
        default: break
        }
        guard text.utf8.first.map({ $0 == UInt8(ascii: "-") || (0x30...0x39).contains($0) }) ?? false else {
            return nil
        }
        if let value = Int64(text) { return .integer(value) }
        // What Swift reads as a number besides JSON's, such as hexadecimal ones, is none here.
        guard text.utf8.allSatisfy({ "+-.0123456789eE".utf8.contains($0) }), let value = Double(text) else {
            return nil
        }
        return value.isFinite ? .number(value) : .null
    }

    private mutating func string() -> String? {
        position += 1
        let start = position
        while position < bytes.count {
            switch bytes[position] {
            case UInt8(ascii: "\""):
                let text = UnsafeBufferPointer(rebasing: bytes[start..<position])
                position += 1
                return String(decoding: text, as: UTF8.self)
            case UInt8(ascii: "\\"): return escapedString(from: start)
            default: position += 1
            }
        }
        return nil
    }

    private mutating func escapedString(from start: Int) -> String? {
        var text = Array(bytes[start..<position])
        while let byte = next {
            position += 1
            switch byte {
            case UInt8(ascii: "\""): return String(decoding: text, as: UTF8.self)
            case UInt8(ascii: "\\"): guard appendEscape(to: &text) else { return nil }
            default: text.append(byte)
            }
        }
        return nil
    }

    private mutating func appendEscape(to text: inout [UInt8]) -> Bool {
        guard let byte = next else { return false }
        position += 1
        switch byte {
        case UInt8(ascii: "b"): text.append(0x08)
        case UInt8(ascii: "f"): text.append(0x0C)
        case UInt8(ascii: "n"): text.append(0x0A)
        case UInt8(ascii: "r"): text.append(0x0D)
        case UInt8(ascii: "t"): text.append(0x09)
        case UInt8(ascii: "u"): text += Array(String(scalar()).utf8)
        default: text.append(byte)
        }
        return true
    }

    /// The scalar of a `\u` escape, of two where they are a pair; U+FFFD for what is none.
    private mutating func scalar() -> Unicode.Scalar {
        guard let unit = codeUnit(at: position) else { return "\u{FFFD}" }
        position += 4
        guard (0xD800...0xDBFF).contains(unit) else { return Unicode.Scalar(unit) ?? "\u{FFFD}" }
        guard position + 6 <= bytes.count, bytes[position] == UInt8(ascii: "\\"),
            bytes[position + 1] == UInt8(ascii: "u"), let low = codeUnit(at: position + 2),
            (0xDC00...0xDFFF).contains(low)
        else { return "\u{FFFD}" }
        position += 6
        return Unicode.Scalar(0x10000 + (unit - 0xD800) << 10 + (low - 0xDC00)) ?? "\u{FFFD}"
    }

    private func codeUnit(at index: Int) -> UInt32? {
        guard index + 4 <= bytes.count else { return nil }
        var unit: UInt32 = 0
        for byte in bytes[index..<index + 4] {
            guard UUIDText.isHexDigit(byte) else { return nil }
            unit = unit << 4 | UInt32(byte <= 0x39 ? byte - 0x30 : (byte | 0x20) - 0x57)
        }
        return unit
    }
}
