extension Duration {
    /// Reads a duration as an operator writes it: `500ms`, `30s`, `15m`, `48h`, `14d`.
    ///
    /// Nil for anything but a whole number followed by a unit, and for more than ten years.
    public init?(configurationText text: String) {
        let digits = text.prefix { $0.isASCII && $0.isNumber }
        guard !digits.isEmpty, digits.count <= 12, let number = Int64(digits) else { return nil }
        let unit: Int64? =
            switch text[digits.endIndex...] {
            case "ms": 1
            case "s": 1000
            case "m": 60_000
            case "h": 3_600_000
            case "d": 86_400_000
            default: nil
            }
        guard let unit, number <= 10 * 366 * 86_400_000 / unit else { return nil }
        self = .milliseconds(number * unit)
    }
}
