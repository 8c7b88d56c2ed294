import CoreMetrics
import Testing

@testable import Telemetry

@Suite struct PrometheusTests {
    @Test func writesTheTextFormat() {
        let registry = PrometheusRegistry()
        registry.describe("jobs.done", "Jobs that are done.\nAll \\ of them.")
        Counter(label: "jobs.done", dimensions: [("kind", "a\"b\\c\nd"), ("9-x", "1")], factory: registry)
            .increment(by: 3)
        Counter(label: "jobs.done", dimensions: [("9-x", "1"), ("kind", "a\"b\\c\nd")], factory: registry).increment()
        FloatingPointCounter(label: "seconds_total", factory: registry).increment(by: 0.5)
        let meter = Meter(label: "open", factory: registry)
        meter.set(3)
        meter.decrement(by: 0.5)
        Recorder(label: "last", aggregate: false, factory: registry).record(7)
        #expect(
            registry.text() == """
                # HELP export_gateway_metric_series_dropped_total Series that were not added, because their metric is full.
                # TYPE export_gateway_metric_series_dropped_total counter
                export_gateway_metric_series_dropped_total 0
                # HELP jobs_done_total Jobs that are done.\\nAll \\\\ of them.
                # TYPE jobs_done_total counter
                jobs_done_total{_9_x="1",kind="a\\"b\\\\c\\nd"} 4
                # HELP last The metric last.
                # TYPE last gauge
                last 7
                # HELP open The metric open.
                # TYPE open gauge
                open 2.5
                # HELP seconds_total The metric seconds_total.
                # TYPE seconds_total counter
                seconds_total 0.5

                """
        )
    }

    @Test func countsInBuckets() {
        let registry = PrometheusRegistry()
        let timer = Timer(label: "work", dimensions: [("le", "x")], factory: registry)
        timer.recordNanoseconds(1_000_000)
        timer.recordNanoseconds(1_000_001)
        timer.recordNanoseconds(400_000_000_000)
        let lines = registry.text().split(separator: "\n")
        #expect(lines.contains("# TYPE work_seconds histogram"))
        #expect(lines.contains("work_seconds_bucket{label_le=\"x\",le=\"0.001\"} 1"))
        #expect(lines.contains("work_seconds_bucket{label_le=\"x\",le=\"0.005\"} 2"))
        #expect(lines.contains("work_seconds_bucket{label_le=\"x\",le=\"300\"} 2"))
        #expect(lines.contains("work_seconds_bucket{label_le=\"x\",le=\"+Inf\"} 3"))
        #expect(lines.contains("work_seconds_count{label_le=\"x\"} 3"))
        #expect(lines.contains { $0.hasPrefix("work_seconds_sum{label_le=\"x\"} 400.002") })
        Recorder(label: "size", factory: registry).record(Int64(1_000))
        Recorder(label: "size", factory: registry).record(Double.infinity)
        #expect(registry.text().contains("size_bucket{le=\"1000\"} 1\n"))
        #expect(registry.text().contains("size_count 1\n"))
    }

    @Test func takesOnlySoManySeries() {
        let registry = PrometheusRegistry(maxSeries: 2)
        for value in 1...5 {
            Counter(label: "c", dimensions: [("v", String(value))], factory: registry).increment()
        }
        Counter(label: "c", dimensions: [("v", "1")], factory: registry).increment()
        let text = registry.text()
        #expect(text.contains("c_total{v=\"1\"} 2\n"))
        #expect(!text.contains("v=\"3\""))
        #expect(text.contains("export_gateway_metric_series_dropped_total 3\n"))
    }

    @Test func keepsTheFirstKind() {
        let registry = PrometheusRegistry()
        Meter(label: "x", factory: registry).set(1)
        Recorder(label: "x", factory: registry).record(5)
        Counter(label: "y", dimensions: [("a", "1"), ("a", "2")], factory: registry).increment()
        let text = registry.text()
        #expect(text.contains("x 1\n"))
        #expect(!text.contains("y_total"))
        #expect(text.contains("export_gateway_metric_series_dropped_total 2\n"))
    }
}
