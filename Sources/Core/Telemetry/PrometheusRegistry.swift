public import CoreMetrics
import Synchronization

/// The swift-metrics backend that `/metrics` shows. Bootstrap it once for the process, or pass it where a `MetricsFactory` is
/// taken.
///
/// Counters get `_total`, timers become histograms of seconds, recorders histograms or gauges. A metric keeps the kind that it
/// was first made with. Each metric holds at most `maxSeries` combinations of label values. Further ones are dropped and counted
/// in `export_gateway_metric_series_dropped_total`, so that no caller can fill the memory.
public final class PrometheusRegistry: MetricsFactory, Sendable {
    struct Family {
        var kind: MetricKind
        var help: String
        var series: [[Label]: any Sendable]
    }

    struct Label: Hashable {
        var name: String
        var value: String
    }

    private struct State {
        var families: [String: Family] = [:]
        var helps: [String: String] = [:]
        var dropped = 0
    }

    private let state = Mutex(State())
    private let maxSeries: Int
    private let process: @Sendable () -> ProcessFigures?

    /// Makes an empty registry.
    ///
    /// - Parameters:
    ///   - maxSeries: The most series of one metric.
    ///   - process: What is shown of the process, asked for each text; nil shows nothing.
    public init(maxSeries: Int = 1_000, process: @escaping @Sendable () -> ProcessFigures? = { nil }) {
        self.maxSeries = maxSeries
        self.process = process
    }

    /// Sets the help text of a metric, by the label that it is made with, before or after it is made.
    public func describe(_ label: String, _ help: String) {
        state.withLock { $0.helps[label] = help }
    }

    public func makeCounter(label: String, dimensions: [(String, String)]) -> any CounterHandler {
        series(label, .counter, dimensions) { CounterSeries() } ?? NOOPMetricsHandler.instance
    }

    public func makeFloatingPointCounter(
        label: String,
        dimensions: [(String, String)]
    ) -> any FloatingPointCounterHandler {
        series(label, .counter, dimensions) { CounterSeries() } ?? NOOPMetricsHandler.instance
    }

    public func makeMeter(label: String, dimensions: [(String, String)]) -> any MeterHandler {
        series(label, .gauge, dimensions) { GaugeSeries() } ?? NOOPMetricsHandler.instance
    }

    public func makeRecorder(label: String, dimensions: [(String, String)], aggregate: Bool) -> any RecorderHandler {
        guard aggregate else {
            return series(label, .gauge, dimensions) { GaugeSeries() } ?? NOOPMetricsHandler.instance
        }
        return series(label, .histogram, dimensions) { HistogramSeries(bounds: HistogramSeries.magnitudes) }
            ?? NOOPMetricsHandler.instance
    }

    public func makeTimer(label: String, dimensions: [(String, String)]) -> any TimerHandler {
        series(label, .timer, dimensions) { HistogramSeries(bounds: HistogramSeries.seconds) }
            ?? NOOPMetricsHandler.instance
    }

    // Series are never removed: Prometheus would take a series that comes back for a reset of the counter.
    public func destroyCounter(_ handler: any CounterHandler) {}
    public func destroyFloatingPointCounter(_ handler: any FloatingPointCounterHandler) {}
    public func destroyMeter(_ handler: any MeterHandler) {}
    public func destroyRecorder(_ handler: any RecorderHandler) {}
    public func destroyTimer(_ handler: any TimerHandler) {}

    /// The Prometheus text format, version 0.0.4: metrics by name, series by their labels.
    public func text() -> String {
        let (families, dropped) = state.withLock { ($0.families, $0.dropped) }
        let own = CounterSeries()
        own.increment(by: Int64(dropped))
        var all = families.map { ($0.key, $0.value) } + (process()?.families ?? [])
        all.append(
            (
                "export_gateway_metric_series_dropped_total",
                Family(
                    kind: .counter,
                    help: "Series that were not added, because their metric is full.",
                    series: [[]: own]
                )
            )
        )
        var text = PrometheusText()
        for (name, family) in all.sorted(by: { $0.0 < $1.0 }) { text.append(name, family) }
        return text.text
    }

    private func series<Series: Sendable>(
        _ label: String,
        _ kind: MetricKind,
        _ dimensions: [(String, String)],
        make: () -> Series
    ) -> Series? {
        let name = MetricName.of(label, kind: kind)
        let labels = dimensions.map { Label(name: MetricName.label($0.0), value: $0.1) }.sorted { $0.name < $1.name }
        return state.withLock { state in
            var family =
                state.families[name]
                ?? Family(kind: kind, help: state.helps[label] ?? "The metric \(label).", series: [:])
            if let known = state.helps[label] { family.help = known }
            guard family.kind == kind else {
                state.dropped += 1
                return nil
            }
            if let existing = family.series[labels] as? Series { return existing }
            guard family.series.count < maxSeries, Set(labels.map(\.name)).count == labels.count else {
                state.dropped += 1
                return nil
            }
            let new = make()
            family.series[labels] = new
            state.families[name] = family
            return new
        }
    }
}
