import ExportLedger
import Exports
import Logging
import Spans

extension ConnectionWorker {
    /// Does the follow-up of an export: what is neither a start nor a poll.
    func runFollowUp(_ id: ExportID) async {
        guard let record = await prepare(id, for: .followUp) else { return }
        switch life.step(of: record) {
        case .awaitAuthorization:
            guard let after = await begin(.authorizationMissing, for: record, as: .followUp) else { return }
            await finish(id, after)
        case .reconcile: await reconcile(record)
        case .cancel: await cancel(record)
        case .submit, .observe, .nothing: release(id, until: next(of: record))
        }
    }

    private func reconcile(_ record: LedgerRecord) async {
        let id = record.export.id
        guard life.capabilities.reconcile else {
            guard let after = await begin(.resumed, for: record, as: .followUp) else { return }
            return await finish(id, after)
        }
        guard let token = await authorization(for: record, as: .followUp) else { return }
        let span = span(.reconcile, of: record.export)
        await span.run { await reconcile(record, token, span) }
        span?.end()
    }

    private func reconcile(_ record: LedgerRecord, _ token: Authorization, _ span: GatewaySpan?) async {
        let id = record.export.id
        let series = CallSeries()
        let event: ExportLife.Event
        do {
            event = .reconciled(
                try await connection.provider.reconcile(
                    record.plan,
                    marker: record.marker,
                    others: others(than: record.export),
                    context: pollContext(token, at: [record], isAwaited: refresherCount(of: id) > 0, series)
                )
            )
        } catch {
            span?.set(error)
            if Task.isCancelled { return letGo(of: id) }
            if error.isOwnWait { return await comeBack(record, as: .followUp, after: error) }
            if error.code == .ambiguous {
                logger.warning(
                    "the job of an export cannot be determined: an operator has to decide with PUT /exports/{id}/submission",
                    metadata: ["export": "\(id)", "connection": "\(connection.name)", "reason": "\(error.detail)"]
                )
            } else {
                log(error, "looking for the job failed", id)
            }
            refuse(token, of: id, after: error)
            event = .reconcileFailed(error)
        }
        keepQuiet(id, for: max(life.capabilities.minimumPollInterval, settings.reconcileDelay))
        let held = wasAsked(id, after: series.waited)
        await finish(id, transitions.record(event, of: id, fence: record.fence, life, held: held))
    }

    private func cancel(_ record: LedgerRecord) async {
        guard let reference = record.reference, let token = await authorization(for: record, as: .followUp) else {
            return
        }
        let span = span(.cancel, of: record.export)
        await span.run { await cancel(record, reference, token, span) }
        span?.end()
    }

    private func cancel(
        _ record: LedgerRecord,
        _ reference: UpstreamReference,
        _ token: Authorization,
        _ span: GatewaySpan?
    ) async {
        let id = record.export.id
        let event: ExportLife.Event
        do {
            try await connection.provider.cancel(reference, context: context(token, .caller, for: record.export))
            event = .canceledUpstream
        } catch {
            span?.set(error)
            if Task.isCancelled { return letGo(of: id) }
            if error.isOwnWait { return await comeBack(record, as: .followUp, after: error) }
            log(error, "canceling failed", id)
            refuse(token, of: id, after: error)
            event = .cancelFailed(error)
        }
        await finish(id, transitions.record(event, of: id, fence: record.fence, life, held: held(id)))
    }

    private func others(than export: Export) -> OtherExports {
        let (ledger, key) = (ledger, key)
        return OtherExports { upstreamIDs in
            try await ledger.claims(on: upstreamIDs, of: key.provider, connection: key.name, except: export.id)
        }
    }
}
