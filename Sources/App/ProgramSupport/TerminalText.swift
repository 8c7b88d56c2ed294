/// Text that others wrote, for a terminal.
public enum TerminalText {
    /// Text without what would control a terminal: control characters become `?`.
    public static func printable(_ text: String, keepingLines: Bool = false) -> String {
        String(
            String.UnicodeScalarView(
                text.unicodeScalars.map { scalar in
                    if keepingLines, scalar == "\n" { return scalar }
                    return switch scalar.properties.generalCategory {
                    case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate: "?"
                    default: scalar
                    }
                }
            )
        )
    }
}
