/// Taking header field values apart (RFC 9110, 5.6): lists and parameters, with quoted strings respected.
enum FieldValue {
    /// The elements of a comma-separated list, trimmed; empty ones are left out.
    static func elements(_ field: some StringProtocol) -> [String] {
        split(field, at: ",").filter { !$0.isEmpty }
    }

    /// `value; name=value; …`: parameter names in lower case, quoted values unquoted. The first of a name counts.
    static func parts(_ element: some StringProtocol) -> (value: String, parameters: [String: String]) {
        let pieces = split(element, at: ";")
        var parameters: [String: String] = [:]
        for piece in pieces.dropFirst() {
            let (name, value) = pair(piece)
            let key = name.lowercased()
            if !key.isEmpty, parameters[key] == nil { parameters[key] = value ?? "" }
        }
        return (pieces.first ?? "", parameters)
    }

    /// `name=value`, trimmed, a quoted value unquoted; nil without `=`.
    static func pair(_ text: some StringProtocol) -> (name: String, value: String?) {
        guard let equals = text.firstIndex(of: "=") else { return (trimmed(text), nil) }
        return (trimmed(text[..<equals]), unquoted(trimmed(text[text.index(after: equals)...])))
    }

    /// A weight (RFC 9110, 12.4.2) in thousandths; 1000 for none and for one that cannot be read, 1 for less than a
    /// thousandth.
    static func weight(_ text: String?) -> Int {
        guard let text, let weight = Double(text), weight.isFinite else { return 1000 }
        guard weight > 0 else { return 0 }
        return max(1, Int(min(weight, 1) * 1000))
    }

    /// The text without spaces and tabs at its ends.
    static func trimmed(_ text: some StringProtocol) -> String {
        let isSpace = { (character: Character) in character == " " || character == "\t" }
        let head = text.drop(while: isSpace)
        guard let last = head.lastIndex(where: { !isSpace($0) }) else { return "" }
        return String(head[...last])
    }

    private static func unquoted(_ text: String) -> String {
        guard text.count >= 2, text.first == "\"", text.last == "\"" else { return text }
        var value = ""
        var escaped = false
        for character in text.dropFirst().dropLast() {
            if !escaped, character == "\\" {
                escaped = true
            } else {
                value.append(character)
                escaped = false
            }
        }
        return value
    }

    private static func split(_ text: some StringProtocol, at separator: Character) -> [String] {
        var pieces: [String] = []
        var piece = ""
        var quoted = false
        var escaped = false
        for character in text {
            if quoted {
                piece.append(character)
                if escaped {
                    escaped = false
                } else if character == "\\" {
                    escaped = true
                } else if character == "\"" {
                    quoted = false
                }
            } else if character == separator {
                pieces.append(trimmed(piece))
                piece = ""
            } else {
                if character == "\"" { quoted = true }
                piece.append(character)
            }
        }
        pieces.append(trimmed(piece))
        return pieces
    }
}
