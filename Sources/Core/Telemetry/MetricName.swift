/// Names as Prometheus requires them (its data model, and `promtool check metrics`).
enum MetricName {
    /// The name of a metric: invalid characters become `_`, and the unit or `_total` comes last.
    static func of(_ label: String, kind: MetricKind) -> String {
        var name = sanitised(label, allowsColon: true)
        let suffix =
            switch kind {
            case .counter: "_total"
            case .timer: "_seconds"
            case .gauge, .histogram: ""
            }
        if !name.hasSuffix(suffix) { name += suffix }
        return name
    }

    /// The name of a label.
    static func label(_ name: String) -> String {
        let clean = sanitised(name, allowsColon: false)
        // Prometheus reserves names that begin with `__`, and `le` for the buckets of histograms.
        return clean == "le" || clean.hasPrefix("__") ? "label_" + clean : clean
    }

    /// A label's value between quotes.
    static func escaped(value: String) -> String {
        value.unicodeScalars.reduce(into: "") { text, scalar in
            switch scalar {
            case "\\": text += "\\\\"
            case "\"": text += "\\\""
            case "\n": text += "\\n"
            default: text.unicodeScalars.append(scalar)
            }
        }
    }

    /// A help text, which has no quotes.
    static func escaped(help: String) -> String {
        help.unicodeScalars.reduce(into: "") { text, scalar in
            switch scalar {
            case "\\": text += "\\\\"
            case "\n": text += "\\n"
            default: text.unicodeScalars.append(scalar)
            }
        }
    }

    private static func sanitised(_ name: String, allowsColon: Bool) -> String {
        let clean = name.unicodeScalars.map { scalar -> Character in
            switch scalar {
            case "a"..."z", "A"..."Z", "0"..."9", "_": Character(scalar)
            case ":" where allowsColon: ":"
            default: "_"
            }
        }
        let text = String(clean)
        guard let first = text.first else { return "_" }
        return first.isNumber ? "_" + text : text
    }
}

/// What a metric counts.
enum MetricKind: Sendable, Hashable {
    case counter
    case gauge
    case histogram
    /// A histogram of seconds.
    case timer

    /// The type in Prometheus' terms.
    var type: String {
        switch self {
        case .counter: "counter"
        case .gauge: "gauge"
        case .histogram, .timer: "histogram"
        }
    }
}
