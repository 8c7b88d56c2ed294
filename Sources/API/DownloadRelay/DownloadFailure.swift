import Exports

/// Why the bytes of a download are not the file. `DownloadBody.write` throws it, and the connection must then be broken off.
public struct DownloadFailure: Error, Sendable, CustomStringConvertible {
    /// The kinds of failure. The raw value is the metric label: never reused for something else.
    public enum Code: String, Sendable, CaseIterable {
        /// The upstream ended before the length that it, or the export's record, had announced.
        case endedEarly = "ended-early"
        /// The upstream sent more than had been announced.
        case ranOver = "ran-over"
        /// The upstream's stream failed: broke off or stalled; see `cause`.
        case upstreamFailed = "upstream-failed"
        /// The upstream broke off, and now has another file: its rest does not continue what was sent.
        case upstreamChanged = "upstream-changed"
        /// The upstream announces another length than the record has. Nothing was read.
        case sizeMismatch = "size-mismatch"
        /// The file is whole, but its SHA-256 is not the one in the record.
        case digestMismatch = "digest-mismatch"
        /// The file does not begin as its format requires.
        case wrongFormat = "wrong-format"
        /// An encoder failed; see `cause`.
        case encoderFailed = "encoder-failed"
        /// What the upstream sent as gzip cannot be decoded; see `cause`.
        case decoderFailed = "decoder-failed"
        /// The task was cancelled.
        case cancelled = "cancelled"
        /// `write` was called a second time: the bytes can be read once.
        case alreadyWritten = "already-written"
        /// The delivery could not be stored as a use of its ticket. Nothing was sent.
        case ticketInUse = "ticket-in-use"
    }

    public var code: Code
    /// What happened, with the byte counts. Safe for a client.
    public var detail: String
    /// The underlying error, for logs only.
    public var cause: (any Error)?

    /// A constant name, for a metric's label.
    public var label: String { code.rawValue }

    public var description: String { "\(label): \(detail)" }

    init(_ code: Code, _ detail: String, cause: (any Error)? = nil) {
        self.code = code
        self.detail = detail
        self.cause = cause
    }

    /// The upstream announces so many bytes.
    static func otherSize(_ size: Int64, of file: ExportFile) -> DownloadFailure {
        DownloadFailure(
            .sizeMismatch,
            "The upstream announced \(size) bytes, where the export lists the file \(file.id) with \(file.size ?? 0)."
        )
    }

    /// Converts the error that ended a download after this number of bytes of the file.
    init(ending error: any Error, after given: Int64) {
        switch error {
        case let failure as DownloadFailure:
            self = failure
        case is CancellationError:
            self.init(.cancelled, "The download was cancelled after \(given) bytes.", cause: error)
        default:
            self.init(.encoderFailed, "The encoder failed after \(given) bytes.", cause: error)
        }
    }

    /// Whether the same file may come whole another time, so that resuming can be tried.
    var isRetryable: Bool {
        switch code {
        case .endedEarly: true
        case .upstreamFailed: (cause as? ProviderError)?.isRetryable ?? true
        case .ranOver, .upstreamChanged, .sizeMismatch, .digestMismatch, .wrongFormat, .encoderFailed, .decoderFailed,
            .cancelled, .alreadyWritten, .ticketInUse:
            false
        }
    }
}
