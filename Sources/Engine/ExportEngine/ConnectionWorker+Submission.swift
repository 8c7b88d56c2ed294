import ExportLedger
import Exports
import Logging
import Spans

extension ConnectionWorker {
    /// Starts an export upstream. The ledger is written before the first byte is sent, and after the answer.
    func submit(_ id: ExportID) async {
        guard let record = await prepare(id, for: .submission),
            let token = await authorization(for: record, as: .submission)
        else { return }
        self.span(.queue, of: record.export, from: record.nextActionAt ?? record.export.createdAt)?.end()
        let span = span(.start, of: record.export)
        await span.run { await start(record, token, span) }
        span?.end()
    }

    private func start(_ record: LedgerRecord, _ token: Authorization, _ span: GatewaySpan?) async {
        let id = record.export.id
        let secrets = secrets(of: id)
        let start = StartUnderWay(record: record, secretsInMemory: secrets != nil, worker: self)
        if record.plan.needsSecrets, secrets == nil {
            guard let ended = await begin(start.event, for: record, as: .submission) else { return }
            return await finish(id, ended)
        }
        var context = context(token, .start, for: record.export, patience: settings.budgetWait)
        context.willStart = { () async throws(ProviderError) in
            self.startBegins()
            try await start.begin()
        }
        context.didNotStart = { await start.didNotStart() }
        // When a token was refused, the repeated call belongs to the same series: it comes before starts that have not begun.
        context.series = CallSeries()
        let (provider, work) = (connection.provider, context)
        let event: ExportLife.Event
        do {
            let submission = try await starts.untilStopped(start) { () async throws(ProviderError) in
                try await provider.submit(record.plan, secrets: secrets ?? [:], marker: record.marker, context: work)
            }
            metrics.submission(key.provider, nil)
            event = .submitted(submission)
        } catch {
            switch start.refusal {
            case nil: break
            case .withdrawn, .stopped: return letGo(of: id)
            case .ledger(let error): return postpone(id, as: .submission, because: error)
            }
            span?.set(error)
            if error.isOwnWait { holdStarts() } else { metrics.submission(key.provider, error) }
            if Task.isCancelled, error.code == .ambiguous {
                // The call was cancelled after it had begun. The ledger says `submitting`, and the gateway looks for the job when
                // it is started again.
                logger.notice("the gateway stopped while it started an export", metadata: ["export": "\(id)"])
                return letGo(of: id)
            }
            log(error, error.isOwnWait ? "the start waits for the request budget" : "the start failed", id)
            refuse(token, of: id, after: error)
            event = .submissionFailed(error)
        }
        await finish(id, transitions.record(event, of: id, fence: start.fence, life, held: held(id)))
    }
}
