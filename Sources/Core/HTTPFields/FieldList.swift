/// A header field whose value is a comma-separated list (RFC 9110, 5.6.1: https://www.rfc-editor.org/rfc/rfc9110#section-5.6.1).
public enum FieldList {
    /// The elements without the white space around them; empty ones are left out. A comma in a quoted string does not
    /// separate; a quoted string without an end reaches to the end of the field.
    public static func elements(of field: some StringProtocol) -> [Substring] {
        pieces(of: Substring(field), separator: UInt8(ascii: ",")).filter { !$0.isEmpty }
    }

    /// The text without spaces and tabs at its ends (RFC 9110, 5.6.3).
    public static func trimmed(_ text: some StringProtocol) -> Substring {
        var bytes = Substring(text).utf8
        while let first = bytes.first, isWhiteSpace(first) { bytes.removeFirst() }
        while let last = bytes.last, isWhiteSpace(last) { bytes.removeLast() }
        return Substring(bytes)
    }

    /// Whether a `Cache-Control` field has this directive, with or without an argument.
    public static func cacheControl(_ field: String?, has directive: String) -> Bool {
        guard let field else { return false }
        return elements(of: field).contains { FieldParameters.pair($0).name.lowercased() == directive }
    }

    /// The trimmed pieces of a text between separators that stand in no quoted string (RFC 9110, 5.6.4).
    static func pieces(of text: Substring, separator: UInt8) -> [Substring] {
        var pieces: [Substring] = []
        var start = text.utf8.startIndex
        var isQuoted = false
        var isEscaped = false
        for index in text.utf8.indices {
            let byte = text.utf8[index]
            if isEscaped {
                isEscaped = false
            } else if isQuoted, byte == UInt8(ascii: "\\") {
                isEscaped = true
            } else if byte == UInt8(ascii: "\"") {
                isQuoted.toggle()
            } else if byte == separator, !isQuoted {
                pieces.append(trimmed(text[start..<index]))
                start = text.utf8.index(after: index)
            }
        }
        pieces.append(trimmed(text[start...]))
        return pieces
    }

    private static func isWhiteSpace(_ byte: UInt8) -> Bool {
        byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t")
    }
}

/// A token (RFC 9110, 5.6.2): the name of a field, a method, a coding, a parameter.
public enum FieldToken {
    /// Whether a byte may stand in a token.
    public static func isPart(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
        default: "!#$%&'*+-.^_`|~".utf8.contains(byte)
        }
    }

    /// Whether a text is a token: at least one byte, all of which may stand in it.
    public static func isValid(_ text: some StringProtocol) -> Bool { !text.isEmpty && text.utf8.allSatisfy(isPart) }
}
