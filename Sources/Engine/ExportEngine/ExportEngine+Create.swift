public import Exports
import ExportLedger
import JSON
import Logging
import Spans

extension ExportEngine {
    public func create(_ draft: ExportDraft, for viewer: Viewer) async throws(GatewayError) -> Creation {
        if let idempotency = draft.idempotency {
            // Only a shortcut for a request that can be answered without validation. The insertion below decides.
            let claimsSince = claimsSince(time.now())
            let earlier = try await asking {
                try await self.ledger.claimed(idempotency, by: viewer.id, claimsSince: claimsSince)
            }
            if let earlier { return try await creation(earlier, for: viewer) }
        }
        let new = try newExport(draft, for: viewer)
        if let refusal = creationLimits.refusal(of: viewer, at: time.now()) { throw refusal }
        begin(new, for: viewer)
        let outcome: InsertOutcome
        do {
            // Not cancelled when the client leaves, because every export in the ledger must also be in a connection worker.
            outcome = try await asking {
                try await self.ledger.insert(
                    self.audited(new.record, for: viewer),
                    idempotency: draft.idempotency,
                    claimsSince: new.claimsSince,
                    limit: new.limit
                )
            }
        } catch {
            withdraw(new)
            throw error
        }
        if case .created = outcome { return stored(new) }
        withdraw(new)
        return try await creation(outcome, for: viewer)
    }

    public func create(
        _ draft: ExportDraft,
        for viewer: Viewer,
        on run: @escaping @Sendable (@escaping @Sendable () -> Void) -> Void,
        then: @escaping @Sendable (Result<Creation, GatewayError>) -> Void
    ) -> Bool {
        guard viewer.token == nil, let new = try? newExport(draft, for: viewer) else { return false }
        let now = time.now()
        // The key may have been used before. The refusal counts where the request is answered.
        if draft.idempotency != nil, creationLimits.wait(of: viewer, at: now) != nil { return false }
        if let refusal = creationLimits.refusal(of: viewer, at: now) {
            run { then(.failure(refusal)) }
            return true
        }
        begin(new, for: viewer)
        let isBegun = ledger.insert(
            audited(new.record, for: viewer),
            idempotency: draft.idempotency,
            claimsSince: new.claimsSince,
            limit: new.limit
        ) { outcome in
            run { then(self.creation(of: new, outcome)) }
        }
        if !isBegun { withdraw(new) }
        return isBegun
    }

    /// The record of a new export with its entry of the audit trail.
    private func audited(_ record: LedgerRecord, for viewer: Viewer) -> LedgerRecord {
        guard let audit else { return record }
        var record = record
        record.auditEntry = audit.created(record.export, for: viewer)
        return record
    }

    /// A valid export that is not stored yet.
    private struct NewExport: Sendable {
        var record: LedgerRecord
        var secrets: [String: Secret]
        var worker: ConnectionWorker
        var claimsSince: Timestamp
        /// How many the caller may create.
        var limit: CreationLimit?
        var spans: CreationSpans

        var id: ExportID { record.export.id }
    }

    func claimsSince(_ now: Timestamp) -> Timestamp { now + (.zero - settings.idempotencyLifetime) }

    private func newExport(_ draft: ExportDraft, for viewer: Viewer) throws(GatewayError) -> NewExport {
        let now = time.now()
        let id = random.newID(at: now)
        let spans = CreationSpans(of: id, tracer, ledger)
        let worker = try worker(for: draft)
        let descriptor = worker.connection.descriptor
        let valid: ValidatedExport
        do {
            valid = try worker.connection.provider.validate(draft.options)
        } catch {
            throw GatewayError(error, faultsBelow: JSONPointer.step(descriptor.optionsMember))
        }
        let record = LedgerRecord(
            export: Export(
                id: id,
                provider: draft.provider,
                connection: worker.connection.name,
                name: draft.name ?? valid.plan.suggestedName,
                createdAt: now,
                createdBy: viewer.id,
                source: valid.plan.source
            ),
            plan: valid.plan,
            leaseOwner: try leaseOwner(of: valid.plan, worker, viewer)
        )
        guard case .granted = worker.delegation.answer(.start(viewer), on: record.export) else {
            throw Self.tokenNeeded(descriptor)
        }
        return NewExport(
            record: record,
            secrets: valid.secrets,
            worker: worker,
            claimsSince: claimsSince(now),
            limit: creationLimits.limit(of: viewer, at: now),
            spans: spans
        )
    }

    /// Who works on a new export: this replica under a lease of the export's own, where the start needs what is in its memory only;
    /// otherwise the replica that holds the lease of the connection. Nil where that is another one, which learns of the export from
    /// the ledger.
    private func leaseOwner(
        of plan: ExportPlan,
        _ worker: ConnectionWorker,
        _ viewer: Viewer
    ) throws(GatewayError) -> String? {
        guard plan.needsSecrets || viewer.token != nil else { return ownership.owner(of: worker.key) }
        if let own = ownership.own { return own }
        throw GatewayError(
            .unavailable,
            "The gateway's ledger does not answer. Nothing was changed; try again.",
            retryAfter: .seconds(5)
        )
    }

    /// Prepares for an export that is about to be stored; `stored` or `withdraw` must follow.
    private func begin(_ new: NewExport, for viewer: Viewer) {
        // Kept before the export is in the ledger, because a task may start it at once.
        if new.record.plan.needsSecrets { new.worker.keep(new.secrets, for: new.id) }
        if let token = viewer.token { _ = callerTokens.keep(token, for: new.id, at: new.record.export.createdAt) }
        snapshots.creates(new.id)
    }

    /// The export is in the ledger.
    private func stored(_ new: NewExport) -> Creation {
        let export = new.record.export
        new.spans.stored(export)
        metrics.created(export.provider)
        logger.info(
            "export created",
            metadata: [
                "export": "\(new.id)", "provider": "\(export.provider)", "connection": "\(export.connection)",
            ]
        )
        if ownership.isMine(new.record.leaseOwner) {
            new.worker.adopt(new.record)
        } else if ownership.lease(of: new.worker.key) != nil {
            // The lease was gained while the export was stored. Its take-over may have come before that.
            replica?.isCreated(new.id)
        }
        snapshots.created(new.id, export)
        news.tell()
        return Creation(export: export, isReplay: false)
    }

    /// The export is not in the ledger: the insertion failed, or its idempotency key was used before.
    private func withdraw(_ new: NewExport) {
        new.worker.dropSecrets(of: new.id)
        callerTokens.remove(new.id)
        snapshots.created(new.id, nil)
    }

    /// The outcome for a viewer without a token.
    private func creation(
        of new: NewExport,
        _ outcome: Result<InsertOutcome, any Error>
    ) -> Result<Creation, GatewayError> {
        switch outcome {
        case .success(.created):
            return .success(stored(new))
        case .success(.replayed(let record)):
            withdraw(new)
            snapshots.saw(record.export)
            return .success(Creation(export: record.export, isReplay: true))
        case .success(.purged(let tombstone)):
            withdraw(new)
            return .failure(.purged(tombstone))
        case .success(.keyReused):
            withdraw(new)
            return .failure(Self.keyReused)
        case .success(.limitReached(let oldest)):
            withdraw(new)
            let caller = new.record.export.createdBy
            return .failure(
                creationLimits.refused(caller, by: new.limit?.count ?? 0, oldest: oldest, at: time.now())
            )
        case .failure(let error):
            withdraw(new)
            return .failure(failure(of: error))
        }
    }

    static func tokenNeeded(_ descriptor: ProviderDescriptor) -> GatewayError {
        GatewayError(
            .upstreamAuthorizationRequired,
            "\(descriptor.title) works with the caller's own rights only. "
                + "Send your upstream token in the header Upstream-Authorization: Bearer <token>."
        )
    }

    private func creation(_ outcome: InsertOutcome, for viewer: Viewer) async throws(GatewayError) -> Creation {
        switch outcome {
        case .created(let record):
            return Creation(export: record.export, isReplay: false)
        case .replayed(let record):
            snapshots.saw(record.export)
            let record = try await takeToken(of: viewer, for: record)
            return Creation(export: record.export, isReplay: true)
        case .purged(let tombstone):
            throw .purged(tombstone)
        case .keyReused:
            throw Self.keyReused
        case .limitReached(let oldest):
            throw creationLimits.refused(viewer.id, by: viewer.createsPerDay ?? 0, oldest: oldest, at: time.now())
        }
    }

    private static let keyReused = GatewayError(
        .idempotencyKeyReused,
        "This Idempotency-Key was used before, with another body. Use a new key for a new export."
    )

    private func worker(for draft: ExportDraft) throws(GatewayError) -> ConnectionWorker {
        guard let configured = providers.first(where: { $0.descriptor.id == draft.provider }) else {
            let known = providers.map(\.descriptor.id.rawValue)
            let suggestion = ObjectReader.suggestion(for: draft.provider.rawValue, among: known)
            throw Self.invalid("/provider", "is not a provider\(suggestion); known are \(Self.list(known))")
        }
        let names = configured.connections
        guard let name = draft.connection ?? (names.count == 1 ? names[0] : nil) else {
            throw Self.invalid(
                "/connection",
                names.isEmpty
                    ? "no connection is configured for \(draft.provider): the operator must add one"
                    : "must be named, because \(draft.provider) has several: \(Self.list(names))"
            )
        }
        guard let worker = workers[ConnectionKey(provider: draft.provider, name: name)] else {
            let suggestion = ObjectReader.suggestion(for: name, among: names)
            throw Self.invalid(
                "/connection",
                names.isEmpty
                    ? "no connection is configured for \(draft.provider): the operator must add one"
                    : "is not a connection of \(draft.provider)\(suggestion); known are \(Self.list(names))"
            )
        }
        return worker
    }

    private static func list(_ names: [String]) -> String {
        names.isEmpty ? "none" : names.joined(separator: ", ")
    }

    private static func invalid(_ pointer: String, _ detail: String) -> GatewayError {
        GatewayError(
            .invalidExport,
            "The export that is asked for is not valid: see errors.",
            faults: [FieldFault(pointer, detail)]
        )
    }
}

/// The root of a new export's trace, with its transaction; and the request that creates it, in another trace. Each is there only where
/// its trace is recorded, and the two link to each other.
private struct CreationSpans: Sendable {
    private let root: GatewaySpan?
    private let commit: GatewaySpan?
    private let request = GatewaySpan.current

    init(of id: ExportID, _ tracer: GatewayTracer, _ ledger: any ExportLedger) {
        root = tracer.creation(of: id)
        commit = tracer.commit(to: ledger, in: root)
    }

    /// The export is in the ledger. Until then nothing is exported: the trace of an export that was not created has no spans.
    func stored(_ export: Export) {
        guard let root else { return }
        if let request {
            root.link(request.trace)
            request.link(root.trace)
        }
        root.set(.provider, export.provider.rawValue)
        root.set(.connection, export.connection)
        commit?.end()
        root.end()
    }
}
