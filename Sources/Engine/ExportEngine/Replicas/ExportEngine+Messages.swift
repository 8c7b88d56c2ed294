import ExportLedger
import Exports
import Logging

extension ExportEngine {
    /// Called on a thread of the ledger.
    func received(_ message: ReplicaMessage) {
        guard let replica else { return }
        switch message.topic {
        case ReplicaMessage.leases: replica.news.fire()
        case ReplicaTopic.refresh: replica.refreshes.isAsked(message)
        case ReplicaTopic.refreshed: if let id = ExportID(message.body) { replica.refreshes.isOver(id) }
        default: replica.tell { $0.received(message) }
        }
    }

    /// Sends a message to another replica, or to all others. Throws `LedgerError` where it is not sent, and while this process is no
    /// replica.
    public func send(_ topic: String, to other: String?, _ body: String) async throws {
        guard let replica, let own = ownership.own else {
            throw LedgerError(.unavailable, "this process is not registered as a replica")
        }
        try await replica.ledger.send(ReplicaMessage(from: own, to: other, topic: topic, body: body))
    }

    /// Has another replica poll an export that it works on, and waits for that up to `refreshWait`.
    func refreshElsewhere(_ id: ExportID, _ replica: Replica) async -> ConnectionWorker.Refresh {
        let signal = replica.refreshes.wait(for: id)
        defer { replica.refreshes.end(signal, for: id) }
        let deadline = time.now() + settings.refreshWait
        do {
            try await send(ReplicaTopic.refresh, to: nil, id.description)
        } catch {
            return .late
        }
        return await signal.wait(deadline: deadline, of: time) ? .late : .made
    }

    /// Makes the polls that other replicas ask for, until the replica ends.
    func refreshForOthers(_ replica: Replica) async {
        await withTaskGroup(of: Void.self) { group in
            var running = 0
            while !replica.hasEnded, !Task.isCancelled {
                guard let message = replica.refreshes.next() else {
                    await replica.refreshes.news.wait()
                    continue
                }
                if running == RemoteRefreshes.atOnce {
                    await group.next()
                    running -= 1
                }
                group.addTask { await self.refresh(for: message, replica) }
                running += 1
            }
            group.cancelAll()
        }
    }

    private func refresh(for message: ReplicaMessage, _ replica: Replica) async {
        guard let id = ExportID(message.body),
            let worker = workers.values.first(where: { $0.has(id) }),
            let kind = worker.refreshKind(of: id)
        else { return }
        _ = await worker.refresh(id, as: kind)
        do {
            try await send(ReplicaTopic.refreshed, to: message.from, message.body)
        } catch {
            // The caller is answered with the known state when its wait is over.
            logger.debug("a message to another replica was not sent", metadata: ["error": "\(error)"])
        }
    }
}
