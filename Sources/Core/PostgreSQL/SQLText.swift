/// PostgreSQL's text form of values: https://www.postgresql.org/docs/15/datatype.html and
/// https://www.postgresql.org/docs/15/arrays.html#ARRAYS-IO.
enum SQLText {
    static func integer(_ text: UnsafeRawBufferPointer) -> Int64? {
        var value: Int64 = 0
        let isNegative = text.first == UInt8(ascii: "-")
        let digits = text.dropFirst(isNegative ? 1 : 0)
        guard !digits.isEmpty else { return nil }
        for digit in digits {
            guard digit >= 0x30, digit <= 0x39 else { return nil }
            let (tens, isTooLarge) = value.multipliedReportingOverflow(by: 10)
            // Negative, because the least number has no positive counterpart.
            let (next, isTooSmall) = tens.subtractingReportingOverflow(Int64(digit - 0x30))
            guard !isTooLarge, !isTooSmall else { return nil }
            value = next
        }
        guard isNegative || value != .min else { return nil }
        return isNegative ? value : -value
    }

    static func boolean(_ text: UnsafeRawBufferPointer) -> Bool? {
        guard text.count == 1 else { return nil }
        return switch text[0] {
        case UInt8(ascii: "t"): true
        case UInt8(ascii: "f"): false
        default: nil
        }
    }

    /// `\x` and two digits for each byte, which the connection asks for.
    static func bytes(_ text: UnsafeRawBufferPointer) -> [UInt8]? {
        guard text.count >= 2, text.count % 2 == 0, text[0] == UInt8(ascii: "\\"), text[1] == UInt8(ascii: "x") else {
            return nil
        }
        var isValid = true
        let bytes = [UInt8](unsafeUninitializedCapacity: text.count / 2 - 1) { buffer, count in
            for index in 0..<(text.count / 2 - 1) {
                guard let high = digit(text[2 * index + 2]), let low = digit(text[2 * index + 3]) else {
                    isValid = false
                    break
                }
                buffer[index] = high << 4 | low
                count = index + 1
            }
        }
        return isValid ? bytes : nil
    }

    private static func digit(_ character: UInt8) -> UInt8? {
        switch character {
        case 0x30...0x39: character - 0x30
        case 0x61...0x66: character - 0x61 + 10
        default: nil
        }
    }

    /// The elements of an array of one dimension.
    static func array(_ text: UnsafeRawBufferPointer) -> [String]? {
        guard text.first == UInt8(ascii: "{"), text.last == UInt8(ascii: "}"), text.count >= 2 else { return nil }
        var elements: [String] = []
        var rest = text[1..<(text.count - 1)]
        while !rest.isEmpty {
            var element: [UInt8] = []
            let isQuoted = rest.first == UInt8(ascii: "\"")
            if isQuoted { rest.removeFirst() }
            var isEnded = !isQuoted
            while let byte = rest.popFirst() {
                if isQuoted, byte == UInt8(ascii: "\"") {
                    isEnded = true
                    break
                }
                if !isQuoted, byte == UInt8(ascii: ",") {
                    rest = text[(rest.startIndex - 1)..<(text.count - 1)]
                    break
                }
                if !isQuoted, byte == UInt8(ascii: "{") { return nil }
                guard byte == UInt8(ascii: "\\") else {
                    element.append(byte)
                    continue
                }
                guard let escaped = rest.popFirst() else { return nil }
                element.append(escaped)
            }
            guard isEnded, isQuoted || !element.elementsEqual("NULL".utf8) else { return nil }
            elements.append(String(decoding: element, as: UTF8.self))
            guard let comma = rest.popFirst() else { break }
            guard comma == UInt8(ascii: ","), !rest.isEmpty else { return nil }
        }
        return elements
    }

    /// Appends an array's text. Every element is quoted, so that none can be taken for NULL or be ended by a comma.
    static func append(_ elements: [String], to text: inout [UInt8]) {
        text.append(UInt8(ascii: "{"))
        for (index, element) in elements.enumerated() {
            if index > 0 { text.append(UInt8(ascii: ",")) }
            text.append(UInt8(ascii: "\""))
            for byte in element.utf8 {
                if byte == UInt8(ascii: "\\") || byte == UInt8(ascii: "\"") { text.append(UInt8(ascii: "\\")) }
                text.append(byte)
            }
            text.append(UInt8(ascii: "\""))
        }
        text.append(UInt8(ascii: "}"))
    }
}
