import Exports

/// Reads JSON texts of the kind that the ledger itself writes, several times faster than Foundation: no spaces between
/// tokens, no escapes in texts, whole numbers. Gives nil for every other text, which Foundation is to judge.
struct PlainJSON {
    private let bytes: UnsafeBufferPointer<UInt8>
    private var index = 0

    /// Deeper values are left to Foundation.
    private static let depthLimit = 32

    static func value(_ text: String) -> JSONValue? {
        text.utf8.withContiguousStorageIfAvailable { bytes in
            var reader = PlainJSON(bytes: bytes)
            let value = reader.value(depth: 0)
            return reader.index == bytes.count ? value : nil
        } ?? nil
    }

    private init(bytes: UnsafeBufferPointer<UInt8>) { self.bytes = bytes }

    private var next: UInt8? { index < bytes.count ? bytes[index] : nil }

    private mutating func take(_ byte: UInt8) -> Bool {
        guard next == byte else { return false }
        index += 1
        return true
    }

    private mutating func take(_ word: StaticString) -> Bool {
        let end = index + word.utf8CodeUnitCount
        guard end <= bytes.count else { return false }
        for offset in 0..<word.utf8CodeUnitCount where bytes[index + offset] != word.utf8Start[offset] { return false }
        index = end
        return true
    }

    private mutating func value(depth: Int) -> JSONValue? {
        guard depth < Self.depthLimit else { return nil }
        switch next {
        case UInt8(ascii: "{"): return object(depth: depth)
        case UInt8(ascii: "["): return array(depth: depth)
        case UInt8(ascii: "\""): return text().map(JSONValue.string)
        case UInt8(ascii: "t"): return take("true") ? .bool(true) : nil
        case UInt8(ascii: "f"): return take("false") ? .bool(false) : nil
        case UInt8(ascii: "n"): return take("null") ? .null : nil
        default: return integer().map(JSONValue.integer)
        }
    }

    private mutating func object(depth: Int) -> JSONValue? {
        index += 1
        var members: [String: JSONValue] = [:]
        if take(UInt8(ascii: "}")) { return .object(members) }
        repeat {
            guard let name = text(), take(UInt8(ascii: ":")), let value = value(depth: depth + 1),
                members.updateValue(value, forKey: name) == nil
            else { return nil }
        } while take(UInt8(ascii: ","))
        return take(UInt8(ascii: "}")) ? .object(members) : nil
    }

    private mutating func array(depth: Int) -> JSONValue? {
        index += 1
        var elements: [JSONValue] = []
        if take(UInt8(ascii: "]")) { return .array(elements) }
        repeat {
            guard let value = value(depth: depth + 1) else { return nil }
            elements.append(value)
        } while take(UInt8(ascii: ","))
        return take(UInt8(ascii: "]")) ? .array(elements) : nil
    }

    private mutating func text() -> String? {
        guard take(UInt8(ascii: "\"")) else { return nil }
        let start = index
        while let byte = next, byte != UInt8(ascii: "\"") {
            guard byte >= 0x20, byte != UInt8(ascii: "\\") else { return nil }
            index += 1
        }
        let text = UnsafeBufferPointer(rebasing: bytes[start..<index])
        return take(UInt8(ascii: "\"")) ? String(decoding: text, as: UTF8.self) : nil
    }

    private mutating func integer() -> Int64? {
        let isNegative = take(UInt8(ascii: "-"))
        let start = index
        var number: Int64 = 0
        // Eighteen digits cannot overflow.
        while let byte = next, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte), index - start < 18 {
            number = number * 10 + Int64(byte - UInt8(ascii: "0"))
            index += 1
        }
        let count = index - start
        guard count > 0, count == 1 || bytes[start] != UInt8(ascii: "0"), !(isNegative && number == 0) else {
            return nil
        }
        return isNegative ? -number : number
    }
}
