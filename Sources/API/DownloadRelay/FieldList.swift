/// A header field whose value is a comma-separated list (RFC 9110, 5.6.1).
enum FieldList {
    /// The elements without the white space around them; empty ones are left out. A comma in a quoted string is none
    /// that separates; a quoted string without an end reaches to the end of the field.
    static func elements(of field: String) -> [Substring] {
        var elements: [Substring] = []
        var start = field.utf8.startIndex
        var isQuoted = false
        var isEscaped = false
        func add(upTo end: String.Index) {
            let element = trimmed(field[start..<end])
            if !element.isEmpty { elements.append(element) }
        }
        for index in field.utf8.indices {
            let byte = field.utf8[index]
            if isEscaped {
                isEscaped = false
            } else if isQuoted, byte == UInt8(ascii: "\\") {
                isEscaped = true
            } else if byte == UInt8(ascii: "\"") {
                isQuoted.toggle()
            } else if byte == UInt8(ascii: ","), !isQuoted {
                add(upTo: index)
                start = field.utf8.index(after: index)
            }
        }
        add(upTo: field.utf8.endIndex)
        return elements
    }

    /// The text without spaces and tabs at its ends (RFC 9110, 5.6.3).
    static func trimmed(_ text: Substring) -> Substring {
        var bytes = text.utf8
        while let first = bytes.first, isWhiteSpace(first) { bytes.removeFirst() }
        while let last = bytes.last, isWhiteSpace(last) { bytes.removeLast() }
        return Substring(bytes)
    }

    /// Whether a `Cache-Control` field has this directive, with or without an argument.
    static func cacheControl(_ field: String?, has directive: String) -> Bool {
        guard let field else { return false }
        return elements(of: field).contains { $0.prefix { $0 != "=" }.lowercased() == directive }
    }

    private static func isWhiteSpace(_ byte: UInt8) -> Bool {
        byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t")
    }
}
