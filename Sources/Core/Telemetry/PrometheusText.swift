/// The Prometheus text format, version 0.0.4.
struct PrometheusText {
    private(set) var text = ""

    /// Appends a metric with all its series.
    mutating func append(_ name: String, _ family: PrometheusRegistry.Family) {
        text += "# HELP \(name) \(MetricName.escaped(help: family.help))\n"
        text += "# TYPE \(name) \(family.kind.type)\n"
        let lines = family.series.map { labels, series in (Self.joined(labels), labels, series) }
        for (key, labels, series) in lines.sorted(by: { $0.0 < $1.0 }) {
            switch series {
            case let counter as CounterSeries: line(name, key, counter.value)
            case let gauge as GaugeSeries: line(name, key, gauge.value)
            case let histogram as HistogramSeries: append(name, labels, histogram)
            default: break
            }
        }
    }

    private mutating func append(
        _ name: String,
        _ labels: [PrometheusRegistry.Label],
        _ histogram: HistogramSeries
    ) {
        let snapshot = histogram.snapshot
        let bounds = histogram.bounds.map(Self.number) + ["+Inf"]
        for (bound, count) in zip(bounds, snapshot.cumulative) {
            line(name + "_bucket", Self.joined(labels + [.init(name: "le", value: bound)]), Double(count))
        }
        line(name + "_sum", Self.joined(labels), snapshot.sum)
        line(name + "_count", Self.joined(labels), Double(snapshot.cumulative.last ?? 0))
    }

    private mutating func line(_ name: String, _ labels: String, _ value: Double) {
        text += "\(name)\(labels) \(Self.number(value))\n"
    }

    private static func joined(_ labels: [PrometheusRegistry.Label]) -> String {
        guard !labels.isEmpty else { return "" }
        return "{" + labels.map { "\($0.name)=\"\(MetricName.escaped(value: $0.value))\"" }.joined(separator: ",") + "}"
    }

    private static func number(_ value: Double) -> String {
        if value.isNaN { return "NaN" }
        if value.isInfinite { return value > 0 ? "+Inf" : "-Inf" }
        if let whole = Int64(exactly: value) { return String(whole) }
        return "\(value)"
    }
}
