/// An element with parameters: `value; name=value; …` (RFC 9110, 5.6.6: https://www.rfc-editor.org/rfc/rfc9110#section-5.6.6).
public struct FieldParameters: Sendable, Hashable {
    /// What stands before the first semicolon, trimmed.
    public let value: String
    private let parameters: [String: String]

    /// Reads an element; never fails. A name that comes twice has the first of its values.
    public init(_ element: some StringProtocol) {
        let pieces = FieldList.pieces(of: Substring(element), separator: UInt8(ascii: ";"))
        value = pieces.first.map(String.init) ?? ""
        var parameters: [String: String] = [:]
        for piece in pieces.dropFirst() {
            let (name, value) = Self.pair(piece)
            let key = name.lowercased()
            if !key.isEmpty, parameters[key] == nil { parameters[key] = value ?? "" }
        }
        self.parameters = parameters
    }

    /// The value of a parameter, a quoted one unquoted; nil where it is absent. `name` in lower case.
    public subscript(_ name: String) -> String? { parameters[name] }

    /// `name=value`, trimmed, a quoted value unquoted; nil without `=`.
    public static func pair(_ text: some StringProtocol) -> (name: String, value: String?) {
        guard let equals = text.firstIndex(of: "=") else { return (String(FieldList.trimmed(text)), nil) }
        let value = FieldList.trimmed(text[text.index(after: equals)...])
        return (String(FieldList.trimmed(text[..<equals])), unquoted(value))
    }

    private static func unquoted(_ text: Substring) -> String {
        guard text.count >= 2, text.first == "\"", text.last == "\"" else { return String(text) }
        var value = ""
        var isEscaped = false
        for character in text.dropFirst().dropLast() {
            if !isEscaped, character == "\\" {
                isEscaped = true
            } else {
                value.append(character)
                isEscaped = false
            }
        }
        return value
    }
}
