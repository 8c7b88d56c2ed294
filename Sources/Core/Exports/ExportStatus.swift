/// Where an export stands. Clients must survive values that are added later.
public enum ExportStatus: String, Codable, Sendable, CaseIterable {
    /// Accepted here, or waiting at the upstream.
    case notStarted
    /// The upstream works on it.
    case running
    /// Done; its files can be downloaded.
    case succeeded
    /// Done with losses, which `error` tells; its files can be downloaded.
    case partiallySucceeded
    /// Ended without a result; `error` tells why.
    case failed
    /// Ended at the caller's wish.
    case canceled
    /// Its files are no longer kept by the upstream.
    case expired
    /// The upstream says nothing that we understand, or we cannot know whether the export was started.
    case unknown

    /// Whether this status is never left again, but for `expired` after a success.
    public var isTerminal: Bool {
        switch self {
        case .succeeded, .partiallySucceeded, .failed, .canceled, .expired: true
        case .notStarted, .running, .unknown: false
        }
    }

    /// Whether there are files to be had.
    public var hasResult: Bool { self == .succeeded || self == .partiallySucceeded }
}
