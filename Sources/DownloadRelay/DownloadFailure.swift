/// Why the bytes of a download cannot be the file: thrown out of `DownloadBody.write`, after which the connection has to
/// be cut.
public struct DownloadFailure: Error, Sendable, CustomStringConvertible {
    /// The kinds of failure. The raw value is the metric label: never reused for something else.
    public enum Code: String, Sendable, CaseIterable {
        /// The upstream ended before the length that it, or the export's record, had announced.
        case endedEarly = "ended-early"
        /// The upstream sent more than had been announced.
        case ranOver = "ran-over"
        /// The upstream's stream failed: broke off, stalled, or was cancelled; see `cause`.
        case upstreamFailed = "upstream-failed"
        /// gzip failed; see `cause`.
        case encoderFailed = "encoder-failed"
        /// `write` was called a second time: the bytes can be read once.
        case alreadyWritten = "already-written"
    }

    public var code: Code
    /// What happened, with the byte counts. Safe for a client.
    public var detail: String
    /// The error below this one, for logs only.
    public var cause: (any Error)?

    /// A name without values in it, fit for a metric's dimension.
    public var label: String { code.rawValue }

    public var description: String { "\(label): \(detail)" }

    init(_ code: Code, _ detail: String, cause: (any Error)? = nil) {
        self.code = code
        self.detail = detail
        self.cause = cause
    }
}
