import Metrics

/// How a part of a file was read. The raw value is a metric label.
enum RangeWay: String, Sendable, CaseIterable {
    /// The upstream sent the part.
    case upstream
    /// The whole file was read, and the bytes before the part were skipped.
    case skipping
    /// The whole file was sent: the part was not available.
    case ignored
    /// There is no such part (416).
    case unsatisfiable
}

/// The relay's counters, made once.
struct DownloadMeters: Sendable {
    /// Counted when a body ends, with any outcome. An answer that was refused before its first byte is not a download.
    let whole: Counter
    let broken: Counter
    let abandoned: Counter
    /// The bytes that were passed to the client, counted while they are sent.
    private let bytes: [DownloadForm: Counter]
    private let resumptions: [ResumptionWay: Counter]
    private let ranges: [RangeWay: Counter]
    private let reasons: [DownloadFailure.Code: Counter]
    private let measurements: [MeasurementOutcome: Counter]
    private let measuredBytes: Counter

    init(factory: any MetricsFactory) {
        func downloads(_ outcome: String) -> Counter {
            Counter(label: "export_gateway_downloads_total", dimensions: [("outcome", outcome)], factory: factory)
        }
        func counters<Label: RawRepresentable<String> & CaseIterable & Hashable>(
            _ label: String,
            _ dimension: String
        ) -> [Label: Counter] {
            Dictionary(
                uniqueKeysWithValues: Label.allCases.map {
                    ($0, Counter(label: label, dimensions: [(dimension, $0.rawValue)], factory: factory))
                }
            )
        }
        whole = downloads("whole")
        broken = downloads("broken")
        abandoned = downloads("abandoned")
        bytes = counters("export_gateway_download_bytes_total", "coding")
        resumptions = counters("export_gateway_download_resumptions_total", "mode")
        ranges = counters("export_gateway_download_ranges_total", "mode")
        reasons = counters("export_gateway_downloads_broken_total", "reason")
        measurements = counters("export_gateway_measurements_total", "outcome")
        measuredBytes = Counter(label: "export_gateway_measurement_bytes_total", factory: factory)
    }

    func delivered(_ count: Int, as form: DownloadForm) { bytes[form]?.increment(by: count) }
    func resumed(_ way: ResumptionWay) { resumptions[way]?.increment() }
    func range(_ way: RangeWay) { ranges[way]?.increment() }

    func measured(_ outcome: MeasurementOutcome) { measurements[outcome]?.increment() }
    func measured(_ bytes: Int) { measuredBytes.increment(by: bytes) }

    func broke(_ reason: DownloadFailure.Code) {
        broken.increment()
        reasons[reason]?.increment()
    }
}
