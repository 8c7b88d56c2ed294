import Audit
import ExportLedger
public import Exports
import Logging

extension ExportEngine {
    public func resolve(
        _ id: ExportID,
        for viewer: Viewer,
        as decision: SubmissionDecision,
        revision: Int64?
    ) async throws(GatewayError) -> Export {
        let record = try await knownRecord(id, for: viewer)
        if let revision, revision != record.export.revision {
            throw GatewayError(
                .preconditionFailed,
                "The export has changed in the meantime. Read it again before you decide."
            )
        }
        guard record.startIsUnconfirmed else {
            if record.progress.decision == decision.text { return record.export }
            throw Self.nothingToDecide(record)
        }
        guard let worker = worker(of: record.export) else {
            throw GatewayError(.unavailable, "The connection \(record.export.connection) is not configured any more.")
        }
        let made = try await carriedOut(decision, record, worker, viewer)
        let after: LedgerRecord?
        do {
            let upstreamID = if case .started(let id) = decision { id } else { String?.none }
            let details = ["decision": made.asked.text].merging(upstreamID.map { ["upstreamId": $0] } ?? [:]) { $1 }
            after = try await transitions.apply(
                .decided(made),
                to: id,
                fence: nil,
                worker.life,
                audit: audit?.changed(.resolve, by: viewer, details)
            )
        } catch is JobTaken {
            throw Self.idInUse
        } catch {
            throw Self.notDecided(error)
        }
        guard let after, after.progress.decision == made.asked.text else {
            let present = try await knownRecord(id, for: viewer)
            // Where nothing was written, this replica's registration had expired.
            guard after != nil || !present.startIsUnconfirmed else { throw Self.notDecided(nil) }
            throw Self.nothingToDecide(present)
        }
        logger.notice(
            "an unconfirmed start was decided",
            metadata: [
                "export": "\(id)", "connection": "\(record.export.connection)", "decision": "\(made.asked.text)",
                "caller": "\(viewer.callerID ?? "-")",
            ]
        )
        if after.phase != .settled, ownership.isMine(after.leaseOwner) { worker.adopt(after) } else { worker.wake(id) }
        return after.export
    }

    /// The decision, completed with the upstream's answer.
    private func carriedOut(
        _ decision: SubmissionDecision,
        _ record: LedgerRecord,
        _ worker: ConnectionWorker,
        _ viewer: Viewer
    ) async throws(GatewayError) -> ExportLife.Decision {
        guard case .started(let upstreamID) = decision else { return decision == .abandoned ? .abandoned : .notStarted }
        let provider = worker.connection.provider
        let reference: UpstreamReference
        do {
            reference = try provider.reference(toUpstreamID: upstreamID, of: record.plan, marker: record.marker)
        } catch {
            throw GatewayError(
                .invalidExport,
                "The decision is not valid: see errors.",
                faults: error.faults.isEmpty ? [FieldFault("/upstreamId", error.detail)] : error.faults
            )
        }
        let claims = try await asking {
            try await self.ledger.claims(
                on: provider.spellings(ofUpstreamID: reference.id),
                of: record.export.provider,
                connection: record.export.connection,
                except: record.export.id
            )
        }
        guard claims.boundIDs.isEmpty else { throw Self.idInUse }
        guard case .granted(let token) = worker.delegation.answer(.lookup(viewer), on: record.export) else {
            // The next poll shows whether the job exists.
            return .started(Submission(reference: reference))
        }
        let answers = await provider.observe(
            [reference],
            context: contexts.context(.caller, for: record.export, authorization: token)
        )
        switch answers[reference] {
        case .success(let observation):
            return .started(Submission(reference: reference, observation: observation))
        case .failure(let error) where error.code == .notFound || error.code == .gone:
            throw GatewayError(
                .invalidExport,
                "The decision is not valid: see errors.",
                faults: [FieldFault("/upstreamId", "is not known to the upstream")],
                upstream: error.upstream
            )
        case .failure, nil:
            // The upstream does not answer now. The next poll shows whether the job exists.
            return .started(Submission(reference: reference))
        }
    }

    private static let idInUse = GatewayError(
        .upstreamIDInUse,
        "Another export of this connection is bound to this upstream id. A job belongs to one export."
    )

    private static func notDecided(_ cause: (any Error)?) -> GatewayError {
        GatewayError(
            .unavailable,
            "The gateway's ledger does not answer. Nothing was changed; try again.",
            retryAfter: .seconds(5),
            cause: cause
        )
    }

    private static func nothingToDecide(_ record: LedgerRecord) -> GatewayError {
        record.phase == .submitting
            ? GatewayError(
                .submissionKnown,
                "The start is under way: whether it happened will be known in a moment.",
                retryAfter: .seconds(5)
            )
            : GatewayError(
                .submissionKnown,
                "The export is \(record.export.status.rawValue), and its start is not in question: only one with the code "
                    + "submission-unconfirmed can be decided."
            )
    }
}
