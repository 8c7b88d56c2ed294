import Exports

/// Which files are measured, and how much capacity of the process and the network this may use.
public struct MeasurementSettings: Sendable, Hashable {
    /// Which files of a success are measured.
    public enum Files: Sendable, Hashable {
        /// Those whose length is not known.
        case unknownLength
        /// Those whose length or digest is not known.
        case unknownLengthOrDigest
    }

    public var files: Files
    /// How many exports are measured at a time, each with one file.
    public var atOnce: Int
    /// The largest file, in bytes, that is measured.
    public var largest: Int64
    /// The bytes a second that all measurements together read; 0 for no limit. With n downloads of callers under way, it is an
    /// (n + 1)th of that.
    public var rate: Int
    /// The most attempts of a measurement.
    public var attempts = 5
    /// The wait after the first attempt, which doubles with each attempt, and the longest wait.
    public var retryWaits: ClosedRange<Duration> = .seconds(60) ... .seconds(3600)
    /// The wait after a measurement was given up for a caller's download.
    public var preemptedPause = Duration.seconds(30)
    /// The limits of the wait after the gateway's own request budget had no place for it. The budget says how long; whoever
    /// comes later has lost its place there.
    public var queuedPauses: ClosedRange<Duration> = .seconds(1) ... .seconds(600)
    /// The time after which a claim of a killed process is due again.
    public var lease = Duration.seconds(600)

    /// Makes settings; the defaults fit most uses.
    public init(
        files: Files = .unknownLength,
        atOnce: Int = 2,
        largest: Int64 = 16 << 30,
        rate: Int = 16 << 20
    ) {
        self.files = files
        self.atOnce = atOnce
        self.largest = largest
        self.rate = rate
    }

    /// The files of an export that are to be measured.
    func files(of export: Export) -> [ExportFile] {
        export.files.filter { file in
            switch files {
            case .unknownLength: file.size == nil
            case .unknownLengthOrDigest: file.size == nil || file.sha256 == nil
            }
        }
    }

    /// When a claim is due again after these outcomes; nil when nothing is left to do, or there are no attempts left.
    /// `comeBackIn` is the wait that the request budget named for a `queued` one; without it, that is due again after a minute.
    func next(
        after outcomes: [MeasurementOutcome],
        attempts: Int,
        comeBackIn: Duration? = nil
    ) -> MeasurementClaim.Next? {
        if outcomes.contains(.cancelled) { return MeasurementClaim.Next(after: .zero, counts: false) }
        if outcomes.contains(.queued) {
            let wait = comeBackIn ?? .seconds(60)
            return MeasurementClaim.Next(
                after: min(max(wait, queuedPauses.lowerBound), queuedPauses.upperBound),
                counts: false
            )
        }
        if outcomes.contains(.preempted) { return MeasurementClaim.Next(after: preemptedPause, counts: false) }
        guard outcomes.contains(.broken), attempts < self.attempts else { return nil }
        var wait = retryWaits.lowerBound
        for _ in 1..<max(1, attempts) where wait < retryWaits.upperBound { wait *= 2 }
        return MeasurementClaim.Next(after: min(wait, retryWaits.upperBound), counts: true)
    }
}

/// The outcome of a measurement. The raw value is a metric label, and the reason in the record of one that was given up.
public enum MeasurementOutcome: String, Sendable, CaseIterable {
    /// The file was read to its end, and matches the record.
    case whole
    /// It could not be opened, or broke off for good, or was not the file. Another attempt may succeed.
    case broken
    /// It could not be opened, and never can be.
    case unreadable
    /// It was given up, because a caller downloads files of this export, or the memory for downloads is half taken.
    case preempted
    /// The gateway's own request budget had no place to open it.
    case queued
    /// The file is longer than the limit.
    case tooLarge = "too-large"
    /// The gateway is stopping.
    case cancelled
}
