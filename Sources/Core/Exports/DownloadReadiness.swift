/// Whether the files of an export can be downloaded. Routes, archives, measurements and the engine all ask this.
///
/// Only the export itself decides, and not the clock: an export whose files are over becomes `expired` first.
public enum DownloadReadiness: Sendable, Hashable {
    /// It has a result, whose files can be opened. They may be none.
    case ready
    /// It has not ended.
    case unfinished
    /// It has succeeded, and the upstream does not list its files yet: they are polled for.
    case filesPending
    /// It ended without a result.
    case noResult
    /// The upstream does not keep its files any more.
    case expired
    /// Its files went to the caller's own storage.
    case deliveredElsewhere(String)
}

extension Export {
    /// Whether its files can be downloaded.
    public var downloadReadiness: DownloadReadiness {
        guard isFinal else { return .unfinished }
        switch status {
        case .notStarted, .running, .unknown, .failed, .canceled: return .noResult
        case .expired: return .expired
        case .succeeded, .partiallySucceeded:
            if files.isEmpty, tracking != nil { return .filesPending }
            return destination.map { .deliveredElsewhere($0) } ?? .ready
        }
    }

    /// Whether the time has passed until which the upstream keeps the files.
    public func isPastExpiry(at now: Timestamp) -> Bool { expiresAt.map { $0 <= now } ?? false }

    /// The files that can be downloaded, at least one.
    ///
    /// Throws `notReady`, `noResult`, `expired` or `deliveredElsewhere`.
    public func downloadableFiles() throws(GatewayError) -> [ExportFile] {
        try checkDownload()
        guard !files.isEmpty else { throw GatewayError(.noResult, "The export ended without files.") }
        return files
    }

    /// A file that can be downloaded.
    ///
    /// Throws `notReady`, `noResult`, `expired` or `deliveredElsewhere`, and `notFound` where there is no such file.
    public func downloadableFile(_ id: String) throws(GatewayError) -> ExportFile {
        try checkDownload()
        guard let file = files.first(where: { $0.id == id }) else {
            throw GatewayError(.notFound, "The export has no file with this id.")
        }
        return file
    }

    private func checkDownload() throws(GatewayError) {
        switch downloadReadiness {
        case .ready: break
        case .unfinished:
            throw GatewayError(
                .notReady,
                "The export is \(status.rawValue); its files can be downloaded when it has succeeded.",
                retryAfter: .seconds(5)
            )
        case .filesPending:
            throw GatewayError(
                .notReady,
                "The upstream says that the export succeeded, and does not list its files yet. The gateway polls for them; "
                    + "try again.",
                retryAfter: .seconds(30)
            )
        case .noResult:
            throw GatewayError(
                .noResult,
                "The export is \(status.rawValue) and has no files." + (error.map { " " + $0.detail } ?? ""),
                upstream: error?.upstream
            )
        case .expired:
            throw GatewayError(.expired, "The upstream no longer keeps the files of this export; export again.")
        case .deliveredElsewhere(let destination):
            throw GatewayError(
                .deliveredElsewhere,
                "The files were delivered to \(destination).",
                members: .destination(destination)
            )
        }
    }
}
