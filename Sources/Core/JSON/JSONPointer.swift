/// JSON Pointers (RFC 6901: https://www.rfc-editor.org/rfc/rfc6901).
public enum JSONPointer {
    /// One member name or index as a pointer's step, `~` and `/` escaped.
    public static func step(_ token: some StringProtocol) -> String {
        "/"
            + token.unicodeScalars.reduce(into: "") { text, scalar in
                switch scalar {
                case "~": text += "~0"
                case "/": text += "~1"
                default: text.unicodeScalars.append(scalar)
                }
            }
    }
}
