import Exports

/// Which files are measured, and how much of the process and the network that may take.
public struct MeasurementSettings: Sendable, Hashable {
    /// Which files of a success are measured.
    public enum Files: Sendable, Hashable {
        /// Those whose length is not known.
        case unknownLength
        /// Those whose length or digest is not known.
        case unknownLengthOrDigest
    }

    public var files: Files
    /// Exports whose files are measured at a time; of each, one file.
    public var atOnce: Int
    /// Bytes of a file beyond which it is not measured.
    public var largest: Int64
    /// Bytes that all measurements together read in a second; 0: as fast as they come. With n downloads of callers under
    /// way it is an (n + 1)th of that.
    public var rate: Int
    /// How often a measurement that is broken is tried in all.
    public var attempts = 5
    /// The wait after the first attempt, which doubles with each, and the longest one.
    public var retryWaits: ClosedRange<Duration> = .seconds(60) ... .seconds(3600)
    /// The wait after a measurement was given up for a caller's sake.
    public var giveWayPause = Duration.seconds(30)
    /// The wait after the gateway's own request budget had no place for it: as the budget says, within these bounds. Whoever
    /// comes later has lost its place there.
    public var queuedPauses: ClosedRange<Duration> = .seconds(1) ... .seconds(600)
    /// The wait after which a claim comes again that a process which was killed has left.
    public var lease = Duration.seconds(600)

    /// Makes settings; the defaults are right for most.
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

    /// When a claim comes again after these outcomes; nil when nothing more is to be done, or nothing more is tried. `comeBackIn` is
    /// what the request budget said of one that was `queued`; without it, that comes again after a minute.
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
        if outcomes.contains(.gaveWay) { return MeasurementClaim.Next(after: giveWayPause, counts: false) }
        guard outcomes.contains(.broken), attempts < self.attempts else { return nil }
        var wait = retryWaits.lowerBound
        for _ in 1..<max(1, attempts) where wait < retryWaits.upperBound { wait *= 2 }
        return MeasurementClaim.Next(after: min(wait, retryWaits.upperBound), counts: true)
    }
}

/// What became of a measurement. The raw value is a metric label.
public enum MeasurementOutcome: String, Sendable, CaseIterable {
    /// The file was read to its end, and is what it has to be.
    case whole
    /// It could not be opened, or broke off for good, or was not the file. May go well another time.
    case broken
    /// It could not be opened, and never will be.
    case unreadable
    /// It was given up, because a caller downloads files of this export, or the memory for downloads is half taken.
    case gaveWay = "gave_way"
    /// The gateway's own request budget had no place to open it.
    case queued
    /// It is longer than may be measured.
    case tooLarge = "too_large"
    /// The gateway ends.
    case cancelled
}
