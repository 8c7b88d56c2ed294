import Exports
import Logging
import Metrics

/// The relay's counters, made once.
struct DownloadMeters: Sendable {
    /// Counted when a body ends, in whatever way. An answer that was refused before its first byte is not a download.
    let whole: Counter
    let broken: Counter
    let clientGone: Counter
    /// Bytes that were handed to the client, counted as they go.
    private let identityBytes: Counter
    private let gzipBytes: Counter

    init(factory: any MetricsFactory) {
        func downloads(_ outcome: String) -> Counter {
            Counter(label: "export_gateway_downloads_total", dimensions: [("outcome", outcome)], factory: factory)
        }
        func bytes(_ coding: ContentCoding) -> Counter {
            Counter(
                label: "export_gateway_download_bytes_total",
                dimensions: [("coding", coding.rawValue)],
                factory: factory
            )
        }
        whole = downloads("whole")
        broken = downloads("broken")
        clientGone = downloads("client_gone")
        identityBytes = bytes(.identity)
        gzipBytes = bytes(.gzip)
    }

    func bytes(_ coding: ContentCoding) -> Counter {
        switch coding {
        case .identity: identityBytes
        case .gzip: gzipBytes
        }
    }
}

/// What is counted and logged of one download.
struct DownloadRecord: Sendable {
    var export: ExportID
    var file: String
    var coding: ContentCoding
    var announced: Int64?
    var upstreamRequestID: String?
    var logger: Logger
    var meters: DownloadMeters

    /// Bytes were taken by the client.
    func delivered(_ count: Int) {
        meters.bytes(coding).increment(by: count)
    }

    /// The client has the whole file.
    func finished(received: Int64, sent: Int64) {
        meters.whole.increment()
        logger.info("download finished", metadata: metadata(received, sent))
    }

    /// The client took no more.
    func clientLeft(received: Int64, sent: Int64, _ error: any Error) {
        meters.clientGone.increment()
        var metadata = metadata(received, sent)
        metadata["error"] = "\(type(of: error))"
        logger.info("download abandoned by the client", metadata: metadata)
    }

    /// The client has a part of the file, and is going to see that.
    func broke(received: Int64, sent: Int64, _ failure: DownloadFailure) {
        meters.broken.increment()
        var metadata = metadata(received, sent)
        metadata["reason"] = "\(failure.label)"
        switch failure.cause {
        case let cause as ProviderError: metadata["cause"] = "\(cause.label)"
        case let cause?: metadata["cause"] = "\(type(of: cause))"
        case nil: break
        }
        logger.warning("download broken", metadata: metadata)
    }

    private func metadata(_ received: Int64, _ sent: Int64) -> Logger.Metadata {
        var metadata: Logger.Metadata = [
            "export": "\(export)",
            "file": "\(file)",
            "coding": "\(coding.rawValue)",
            "received": "\(received)",
            "sent": "\(sent)",
        ]
        if let announced { metadata["announced"] = "\(announced)" }
        if let upstreamRequestID { metadata["upstreamRequestID"] = "\(upstreamRequestID)" }
        return metadata
    }
}
