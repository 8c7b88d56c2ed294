import Exports
import Logging

/// How a download was resumed. The raw value is a metric label.
enum ResumptionWay: String, Sendable, CaseIterable {
    /// The upstream sent the rest under the same strong validator.
    case range
    /// The file was read again, and the part that had been read before was the same.
    case proof = "reread"
}

/// Where operators learn of downloads: the metrics and the log.
struct DownloadReporting: Sendable {
    let meters: DownloadMeters
    let logger: Logger

    /// A download was resumed.
    func resumed(_ way: ResumptionWay, _ source: FileSource, at position: Int64) {
        meters.resumed(way)
        logger.notice(
            "download resumed",
            metadata: [
                "export": "\(source.export)", "file": "\(source.file.id)", "mode": "\(way.rawValue)",
                "position": "\(position)",
            ]
        )
    }
}
