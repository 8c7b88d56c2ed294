public import Exports
import ExportLedger
import JSON
import Logging

extension ExportEngine {
    public func create(_ draft: ExportDraft, for viewer: Viewer) async throws(GatewayError) -> Creation {
        let now = time.now()
        let claimsSince = now + (.zero - settings.idempotencyLifetime)
        if let idempotency = draft.idempotency {
            // Only a shortcut for a request that can be answered without validation. The insertion below decides.
            let earlier = try await asking {
                try await self.ledger.claimed(idempotency, by: viewer.id, claimsSince: claimsSince)
            }
            if let earlier { return try await creation(earlier, for: viewer) }
        }

        let worker = try worker(for: draft)
        let descriptor = worker.connection.descriptor
        let valid: ValidatedExport
        do {
            valid = try worker.connection.provider.validate(draft.options)
        } catch {
            throw GatewayError(error, faultsBelow: JSONPointer.step(descriptor.optionsMember))
        }

        let id = random.newID(at: now)
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
            leaseOwner: engineID
        )
        guard case .granted = worker.delegation.answer(.start(viewer), on: record.export) else {
            throw Self.tokenNeeded(descriptor)
        }
        // Kept before the export is in the ledger, because a task may start it at once.
        if valid.plan.needsSecrets { worker.keep(valid.secrets, for: id) }
        if let token = viewer.token { _ = callerTokens.keep(token, for: id, at: now) }
        snapshots.creates(id)
        var created: Export?
        defer { snapshots.created(id, created) }
        do {
            // Not cancelled when the client leaves, because every export in the ledger must also be in a connection worker.
            let outcome = try await asking {
                try await self.ledger.insert(record, idempotency: draft.idempotency, claimsSince: claimsSince)
            }
            guard case .created = outcome else {
                removeSecrets(of: id, worker)
                return try await creation(outcome, for: viewer)
            }
            created = record.export
        } catch {
            removeSecrets(of: id, worker)
            throw error
        }
        metrics.created(draft.provider)
        logger.info(
            "export created",
            metadata: [
                "export": "\(id)", "provider": "\(draft.provider)", "connection": "\(worker.connection.name)",
            ]
        )
        worker.adopt(record)
        return Creation(export: record.export, isReplay: false)
    }

    static func tokenNeeded(_ descriptor: ProviderDescriptor) -> GatewayError {
        GatewayError(
            .upstreamAuthorizationRequired,
            "\(descriptor.title) works with the caller's own rights only. "
                + "Send your upstream token in the header Upstream-Authorization: Bearer <token>."
        )
    }

    private func removeSecrets(of id: ExportID, _ worker: ConnectionWorker) {
        worker.dropSecrets(of: id)
        callerTokens.remove(id)
    }

    private func creation(_ outcome: InsertOutcome, for viewer: Viewer) async throws(GatewayError) -> Creation {
        switch outcome {
        case .created(let record):
            return Creation(export: record.export, isReplay: false)
        case .replayed(let record):
            snapshots.saw(record.export)
            let record = try await takeToken(of: viewer, for: record)
            return Creation(export: record.export, isReplay: true)
        case .keyReused:
            throw GatewayError(
                .idempotencyKeyReused,
                "This Idempotency-Key was used before, with another body. Use a new key for a new export."
            )
        }
    }

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
