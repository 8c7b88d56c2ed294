import Exports
import Logging
import NIOCore

extension DownloadRelay {
    /// Reads a file from its first byte to its last, like a client that takes it plain, and drops the bytes.
    ///
    /// The checks are those of a download (format, lengths, digest), and it is resumed when the upstream breaks off. It is a
    /// delivery of its own kind: passed to `record` before the first byte is counted, and with the same id at its end. A file
    /// that could not be opened is no delivery. It uses memory for downloads, as long as half of it is left to callers, and
    /// counts for no caller. It is ended as soon as a caller downloads a file of this export.
    ///
    /// Cancelling the task ends it. The outcome has been passed to `record` when this returns.
    ///
    /// - Parameter open: Opens the file, or the part of it; see `ExportService.open`.
    func measure(
        _ file: ExportFile,
        of export: Export,
        largest: Int64,
        pace: ReadingPace,
        record: @escaping @Sendable (Delivery) async -> Void,
        open: @escaping @Sendable (FileRange?) async throws(GatewayError) -> FileBody
    ) async -> MeasurementOutcome {
        let outcome = await measuring(file, of: export, largest: largest, pace: pace, record: record, open: open)
        reporting.meters.measured(outcome)
        return outcome
    }

    private func measuring(
        _ file: ExportFile,
        of export: Export,
        largest: Int64,
        pace: ReadingPace,
        record: @escaping @Sendable (Delivery) async -> Void,
        open: @escaping @Sendable (FileRange?) async throws(GatewayError) -> FileBody
    ) async -> MeasurementOutcome {
        let startedAt = time.now()
        if let size = file.size, size > largest { return .tooLarge }
        guard let reservation = budget.reserveSpare(DownloadBudget.plainCost, besides: export.id) else {
            return .preempted
        }
        defer { reservation.release() }
        let source = FileSource(file: file, export: export.id, open: open)
        let opened: OpenedFile
        do throws(GatewayError) {
            opened = try await Opening.whole(source, rules: rules, reporting: reporting)
        } catch {
            return refused(file, of: export, error)
        }
        let row = { (announced: Int64?, upstreamRequestID: String?) in
            DownloadRecord(
                id: random.newID(at: startedAt),
                kind: .measurement,
                export: export.id,
                file: file.id,
                form: .identity,
                announced: announced,
                upstreamRequestID: upstreamRequestID,
                recipient: Recipient(
                    caller: Delivery.gatewayItself,
                    requestID: random.newID(at: startedAt).description,
                    record: record
                ),
                reporting: reporting,
                time: time,
                startedAt: startedAt
            )
        }
        switch opened {
        case .beyond: return .broken
        case .contradicted(let failure, let reading, let requestID):
            var progress = DownloadProgress()
            progress.add(reading)
            await row(reading.claimedSize, requestID).ended(.broke(failure), progress)
            return .broken
        case .stream(let handover, let facts, _, _, let requestID):
            guard let stream = handover.take() else { return .broken }
            defer { stream.letGo() }
            known.note(facts, of: file, in: export.id)
            if let size = facts.size, size > largest { return .tooLarge }
            return await measure(stream, of: export.id, largest: largest, pace: pace, row(facts.size, requestID))
        }
    }

    private func measure(
        _ stream: FileStream,
        of export: ExportID,
        largest: Int64,
        pace: ReadingPace,
        _ row: DownloadRecord
    ) async -> MeasurementOutcome {
        do {
            try await row.began()
            while let piece = try await stream.next() {
                reporting.meters.measured(piece.readableBytes)
                if stream.given > largest { return await row.givenUp(.tooLarge, DownloadProgress(sent: 0, stream)) }
                try await pace.wait(after: piece.readableBytes, share: 1 + budget.downloadsUnderWay) {
                    budget.isServing(export)
                }
                if budget.isServing(export) { return await row.givenUp(.preempted, DownloadProgress(sent: 0, stream)) }
            }
        } catch {
            let progress = DownloadProgress(sent: 0, stream)
            if Task.isCancelled { return await row.givenUp(.cancelled, progress) }
            await row.ended(.broke(DownloadFailure(ending: error, after: stream.given)), progress)
            return .broken
        }
        await row.ended(.whole, DownloadProgress(sent: 0, stream))
        return .whole
    }

    private func refused(_ file: ExportFile, of export: Export, _ error: GatewayError) -> MeasurementOutcome {
        if Task.isCancelled { return .cancelled }
        if error.code == .queued { return .queued }
        reporting.logger.notice(
            "a file could not be opened for measuring",
            metadata: ["export": "\(export.id)", "file": "\(file.id)", "code": "\(error.code.rawValue)"]
        )
        switch error.code {
        case .expired, .noResult, .deliveredElsewhere, .notFound: return .unreadable
        default: return .broken
        }
    }
}
