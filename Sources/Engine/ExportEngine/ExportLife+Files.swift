import ExportLedger
import Exports

/// What the upstream says about a job whose file it did not serve. The one answer to the download proves nothing.
enum FileWord: Sendable, Hashable {
    /// The job exists, and lists the file.
    case listed
    /// The job exists, and does not list the file.
    case notListed
    /// The upstream knows no such job. Upstreams also say this, for moments, about jobs that exist.
    case unknownJob
    /// The upstream says that the files are no longer kept.
    case gone
    /// The upstream gave no usable answer.
    case silent

    /// What the answer to a poll of the job says about the file with this id.
    init(_ answer: Result<Observation, ProviderError>, of fileID: String) {
        switch answer {
        case .success(let observation) where observation.status == .expired: self = .gone
        case .success(let observation) where observation.status.hasResult:
            self = observation.files.contains { $0.id == fileID } ? .listed : .notListed
        case .success: self = .silent
        case .failure(let error) where error.code == .gone: self = .gone
        case .failure(let error) where error.code == .notFound: self = .unknownJob
        case .failure: self = .silent
        }
    }
}

// The files of a success: what is known of them, and whether the upstream still keeps them.
extension ExportLife.Transition {
    mutating func filesAsked(_ word: FileWord) {
        guard record.export.status.hasResult else { return }
        switch word {
        case .listed, .notListed: record.progress.filesMissingSince = nil
        case .gone: expire()
        case .unknownJob: jobIsMissing()
        case .silent: break
        }
    }

    /// The upstream does not know a succeeded job. The files count as gone when this has lasted long enough.
    private mutating func jobIsMissing() {
        let since = record.progress.filesMissingSince ?? now
        record.progress.filesMissingSince = since
        if now >= since + settings.missingBound { expire() }
    }

    /// Applies what a delivery found of the files: claims are made, confirmed and dropped.
    mutating func delivered(_ delivery: Delivery) {
        for reading in readings(of: delivery) {
            guard let index = record.export.files.firstIndex(where: { $0.id == reading.fileID }) else { continue }
            let before = record.export.files[index]
            var claims = FileClaims(before, readings: record.readings.filter { $0.fileID == before.id })
            let change = claims.take(reading, by: delivery.id)
            record.export.files[index] = claims.file
            if let checksum = reading.crc32, reading.sha256 == claims.file.sha256 {
                record.export.files[index].crc32 = checksum
            }
            record.readings.removeAll { $0.fileID == before.id }
            record.readings += claims.readings
            if let notice = Self.notice(of: change, before, claims.file) { record.export.notice = notice }
        }
    }

    private func readings(of delivery: Delivery) -> [FileReading] {
        guard delivery.readings.isEmpty, delivery.outcome == .whole, delivery.rangeFirst == nil,
            delivery.rangeLast == nil, let digest = delivery.sha256,
            let file = record.export.files.first(where: { $0.id == delivery.fileID })
        else { return delivery.readings }
        return [FileReading(of: file, size: delivery.fileBytes, sha256: digest, isDelivered: true)]
    }

    private static func notice(
        of change: FileClaims.Change,
        _ before: ExportFile,
        _ after: ExportFile
    ) -> ExportNotice? {
        let was = "The upstream sent other bytes for the file \(before.id) than before. "
        let known = after.size.map { "It has \($0) bytes now" } ?? "Its length is not known now"
        switch change {
        case .none, .disputed: return nil
        case .dropped:
            return ExportNotice(
                .fileChanged,
                was + "One reading had claimed \(before.words); that is dropped. \(known). "
                    + "Compare what was downloaded before with sha256, and download it again where it differs."
            )
        case .replaced:
            return ExportNotice(
                .fileChanged,
                was + "Two readings that agree replace what had been confirmed (\(before.words)). \(known). "
                    + "Compare what was downloaded before with sha256, and download it again where it differs."
            )
        }
    }

    // MARK: Files that are listed late

    /// Until when the engine polls for files that are not listed: as long as the upstream would keep them.
    var filesDeadline: Timestamp {
        record.export.expiresAt
            ?? (record.export.completedAt ?? now) + settings.longestFileLag
    }

    /// The upstream says that the job succeeded, but lists no file. For a short time that counts as "not finished". Then it
    /// counts as a success, and the files are polled for until the upstream would not keep them any more.
    ///
    /// - Returns: Whether the export goes on as `running`.
    mutating func filesAreLate() -> Bool {
        let since = record.progress.filesPendingSince ?? now
        record.progress.filesPendingSince = since
        record.progress.fileLagAttempts += 1
        guard !record.export.status.hasResult, now < since + settings.fileLagBound else { return false }
        record.export.status = .running
        let pace = Backoff(
            shortest: min(life.capabilities.minimumPollInterval, settings.fileLagInterval),
            longest: settings.fileLagInterval,
            factor: 1.25
        )
        schedule(
            after: pace.wait(after: record.progress.fileLagAttempts - 1, jitter: jitter),
            notAfter: since + settings.fileLagBound
        )
        return true
    }

    /// Schedules the next poll for the files of a success.
    mutating func awaitFiles() {
        record.cancelWished = false
        record.export.stale = false
        record.export.notice = Self.filesMissing
        guard now < filesDeadline else { return settleWithoutFiles() }
        let since = record.progress.filesPendingSince ?? now
        // The longer the files are missing, the less likely the next poll finds them.
        let wait = ((now - since) * 0.125).clamped(settings.fileLagInterval...settings.longestFileLagInterval)
        schedule(after: wait * (1 - 0.2 * jitter), notAfter: filesDeadline)
    }

    /// Ends the polls for files that are not listed.
    mutating func settleWithoutFiles() {
        record.phase = .settled
        record.nextActionAt = nil
        record.progress.awaitsAuthorization = false
    }

    /// Handles a later observation of a job that had succeeded without files.
    mutating func observedAfterSuccess(_ observation: Observation) -> Bool {
        guard record.export.status.hasResult else { return false }
        switch observation.status {
        case .expired:
            expire()
            return true
        case .succeeded, .partiallySucceeded:
            return false
        case .notStarted, .running, .failed, .canceled, .unknown:
            // A success stays a success.
            awaitFiles()
            return true
        }
    }

    /// Handles a failed poll of a job that had succeeded without files.
    mutating func filesPollFailed(_ error: ProviderError) -> Bool {
        guard record.export.status.hasResult else { return false }
        switch error.code {
        case .gone: expire()
        case .notFound:
            jobIsMissing()
            if record.phase == .tracking { awaitFiles() }
        case _ where life.asksForAuthorization(error):
            record.progress.awaitsAuthorization = true
            record.nextActionAt = filesDeadline
        default:
            awaitFiles()
        }
        return true
    }

    /// There is no token to poll for the files: the export goes on when one is brought, until `filesDeadline`.
    mutating func filesAwaitAuthorization() -> Bool {
        guard record.phase == .tracking, record.export.status.hasResult else { return false }
        guard now < filesDeadline else {
            settleWithoutFiles()
            return true
        }
        record.progress.awaitsAuthorization = true
        record.nextActionAt = filesDeadline
        return true
    }

    private static let filesMissing = ExportNotice(
        .filesMissing,
        "The upstream says that the export succeeded, and lists no files for it. They are looked for as long as the "
            + "upstream would keep them; a GET with Cache-Control: no-cache looks at once."
    )
}

extension ExportFile {
    /// The claimed size and digest, for a sentence.
    fileprivate var words: String {
        let size = size.map { "\($0) bytes" } ?? "no length"
        return sha256.map { "\(size), SHA-256 \($0)" } ?? size
    }
}
