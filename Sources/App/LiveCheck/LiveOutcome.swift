public import Exports

/// What became of the one export of a live check.
public struct LiveOutcome: Sendable {
    /// The part of the export's life that a check was in.
    public enum Step: String, Sendable {
        case start, watch, download
    }

    /// How it ended.
    public enum End: Sendable, Hashable {
        /// The export succeeded, and its first bytes were read.
        case read
        /// The export ended with this status and without a file to read.
        case ended(ExportStatus)
        /// A call failed for good, with this code.
        case failed(Step, ProviderError.Code)
        /// The time was over.
        case timedOut(Step)
        /// The operator stopped the check.
        case stopped(Step)
    }

    public var end = End.stopped(.start)
    public var step = Step.start
    /// How often the export was watched.
    public var polls = 0
    /// The job upstream, once its id is known. For the operator only: an id is no part of a report.
    public var reference: UpstreamReference?
    /// Whether a job may be running upstream that nobody waits for any more.
    public var mayRun = false
    /// How many bytes of the file were read.
    public var bytesRead: Int64 = 0
    /// Whether the file was read to its end.
    public var readToEnd = false
    public var part = PartAnswer.notAsked
    /// What the last error said. For the operator only.
    public var detail: String?

    /// The end in words of a closed list.
    public var text: String {
        switch end {
        case .read: "the export succeeded and its file was read"
        case .ended(let status): "the export ended as \(status.rawValue), without a file that was read"
        case .failed(let step, let code): "\(step.rawValue): failed (\(code.rawValue))"
        case .timedOut(let step): "\(step.rawValue): the time was over"
        case .stopped(let step): "\(step.rawValue): stopped by the operator"
        }
    }
}
