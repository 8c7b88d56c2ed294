/// The status of an export. Clients must accept values that are added later.
public enum ExportStatus: String, Codable, Sendable, CaseIterable {
    /// Accepted here, or waiting at the upstream.
    case notStarted
    /// The upstream works on it.
    case running
    /// Done; its files can be downloaded.
    case succeeded
    /// Done, but incomplete: `error` says what is missing. Its files can be downloaded.
    case partiallySucceeded
    /// Ended without a result; `error` says why.
    case failed
    /// Canceled by the caller.
    case canceled
    /// The upstream no longer keeps its files.
    case expired
    /// The upstream sent a status that is not known here, or it is unknown whether the export was started.
    case unknown

    /// Whether this status is final. Only a success can still become `expired`.
    public var isTerminal: Bool {
        switch self {
        case .succeeded, .partiallySucceeded, .failed, .canceled, .expired: true
        case .notStarted, .running, .unknown: false
        }
    }

    /// Whether there are files to download.
    public var hasResult: Bool { self == .succeeded || self == .partiallySucceeded }
}
