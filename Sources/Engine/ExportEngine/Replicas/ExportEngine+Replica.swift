import ExportLedger
import Exports
import Logging

// The registration of this replica, and its leases.
extension ExportEngine {
    /// How many replicas serve the same callers, this one included: 1 where the ledger is this engine's alone. Read from memory, on any
    /// thread.
    public var liveReplicas: Int { replica?.liveCount ?? 1 }

    /// Registers this process as a replica, where several share the ledger, so that a mistake of the configuration stops the start.
    ///
    /// Throws `StartupError` where a secret differs from the other replicas', and `LedgerError` when the ledger does not answer.
    ///
    /// - Parameter observer: Follows the leases of this replica.
    public func join(_ observer: (any LeaseObserver)? = nil) async throws {
        guard let replica else { return }
        replica.observe(observer)
        replica.ledger.receive { [weak self] in self?.received($0) }
        _ = try await join(replica)
    }

    /// Begins to hand all leases over, because the process is about to end. Each is free when the calls under way for it have ended,
    /// or `handOverWait` has passed, or `run()` ends. Requests are still answered. Without replicas it does nothing.
    public func handOverLeases() {
        replica?.retire()
        replica?.news.fire()
    }

    /// Tells the others that this replica takes no more leases, and hands over what it holds.
    private func retire(_ replica: Replica) async -> [HeldLease] {
        do {
            try await replica.ledger.retire()
        } catch {
            // The others hand leases over to this replica until it has left, and get them back.
            logger.warning("the others were not told that this replica ends", metadata: ["error": "\(error)"])
        }
        return replica.held
    }

    /// Renews the registration and does what follows from it, until the replica ends. Then it frees what it still holds.
    func runReplica(_ replica: Replica) async {
        await withDiscardingTaskGroup { group in
            while !replica.hasEnded, !Task.isCancelled {
                let duties = await renew(replica)
                for lease in duties?.actions.lost ?? [] { lose(lease, of: replica) }
                if let lease = duties?.actions.handOver {
                    group.addTask { await self.handOver(lease, of: replica) }
                }
                var gained = duties?.actions.found ?? []
                gained += await claim(duties?.actions.claim ?? [], for: replica)
                for lease in gained { gain(lease, of: replica) }
                for lease in replica.isRetiring ? await retire(replica) : [] {
                    group.addTask { await self.handOver(lease, of: replica) }
                }
                let swept = duties?.isSweepDue == true ? replica.held : gained
                for lease in swept { group.addTask { await self.takeOver(lease, of: replica) } }
                await takeOverCreated(replica)
                await replica.news.wait(until: time.now() + replica.renewalInterval, of: time)
            }
            group.cancelAll()
        }
        await leave(replica)
    }

    // MARK: The registration

    private func join(_ replica: Replica) async throws -> Replica.Duties {
        let askedAt = time.elapsed()
        let view = try await replica.ledger.join(
            lifetime: settings.leaseDuration,
            leases: replica.leases,
            secrets: replica.secrets
        )
        if replica.isRetiring { try await replica.ledger.retire() }
        // Before anything is served: a caller must not wait for a change that came before the first position.
        if replica.feed.sequence == nil {
            snapshots.setCurrent(false)
            replica.feed.begins(at: try await replica.ledger.lastSequence())
        }
        ownership.registered(as: view.id)
        logger.notice(
            "Registered as a replica",
            metadata: ["replica": "\(view.id)", "replicas": "\(view.replicas.count)"]
        )
        let duties = replica.joined(view, askedAt: askedAt, at: time.elapsed())
        isValid(from: askedAt, replica)
        await breakDeliveriesUnderWay()
        return duties
    }

    /// Nil where the ledger does not answer.
    private func renew(_ replica: Replica) async -> Replica.Duties? {
        do {
            guard ownership.own != nil else { return try await join(replica) }
            let askedAt = time.elapsed()
            guard let view = try await replica.ledger.renew() else {
                expire(replica)
                return try await join(replica)
            }
            let duties = replica.renewed(view, askedAt: askedAt, at: time.elapsed())
            isValid(from: askedAt, replica)
            return duties
        } catch {
            if !Task.isCancelled {
                logger.error("the registration as a replica could not be renewed", metadata: ["error": "\(error)"])
            }
            return nil
        }
    }

    private func isValid(from askedAt: Duration, _ replica: Replica) {
        // As LeaseKeeper: 5 % of the lifetime is left for clocks that run at different rates.
        let end = askedAt + settings.leaseDuration - settings.leaseDuration / 20
        ownership.isValid(until: end)
        replica.tell { $0.isValid(until: end) }
    }

    /// The registration has expired: others may work on everything that this replica owned.
    private func expire(_ replica: Replica) {
        logger.warning("The registration as a replica has expired: all work is given up and taken over again")
        let own = ownership.own
        for lease in replica.registrationExpired() { lose(lease, of: replica) }
        ownership.registered(as: nil)
        if let own { for worker in workers.values { worker.revoke(own, drained: Signal()) } }
    }

    private func leave(_ replica: Replica) async {
        for lease in replica.held { lose(lease, of: replica, isExpected: true) }
        let ledger = replica.ledger
        // A new task, because that does not inherit the cancellation. It is awaited here.
        let leaving = Task { try await ledger.leave() }
        do {
            try await leaving.value
        } catch {
            // The registration expires by itself.
            logger.warning("the registration as a replica could not be removed", metadata: ["error": "\(error)"])
        }
    }

    // MARK: Leases

    private func claim(_ names: [String], for replica: Replica) async -> [HeldLease] {
        guard !names.isEmpty else { return [] }
        do {
            let leases = try await replica.ledger.claim(names)
            replica.claimed(leases)
            return leases
        } catch {
            logger.error("leases could not be claimed", metadata: ["error": "\(error)"])
            return []
        }
    }

    private func gain(_ lease: HeldLease, of replica: Replica) {
        logger.info("lease gained", metadata: ["lease": "\(lease.name)", "epoch": "\(lease.epoch)"])
        ownership.gained(lease)
        replica.tell { $0.gained(lease) }
    }

    private func lose(_ lease: HeldLease, of replica: Replica, isExpected: Bool = false) {
        if !isExpected {
            logger.warning("lease lost", metadata: ["lease": "\(lease.name)", "epoch": "\(lease.epoch)"])
            replica.wasLost(1)
        }
        ownership.lost(lease)
        replica.tell { $0.lost(lease) }
        for worker in workers(of: lease) { worker.revoke(lease.token, drained: Signal()) }
    }

    /// Frees a lease after the calls under way have ended. What is created meanwhile is the next holder's.
    private func handOver(_ lease: HeldLease, of replica: Replica) async {
        guard replica.beginHandOver(lease) else { return }
        logger.info("lease is handed over", metadata: ["lease": "\(lease.name)", "epoch": "\(lease.epoch)"])
        ownership.lost(lease)
        let deadline = time.now() + settings.handOverWait
        // First all of them, so that no start begins while another connection is waited for.
        let drained = workers(of: lease)
            .map { worker in
                let drained = Signal()
                worker.revoke(lease.token, drained: drained)
                return drained
            }
        for signal in drained { _ = await signal.wait(deadline: deadline, of: time) }
        replica.tell { $0.lost(lease) }
        // Once the registration may have expired, the lease is free in any case.
        while ownership.own == lease.replica, ownership.mayBegin(at: time.elapsed()) {
            do {
                try await replica.ledger.free(lease)
                return replica.freed(lease)
            } catch {
                if Task.isCancelled || !replica.isHandingOver(lease) { return }
                logger.error("a lease could not be freed", metadata: ["lease": "\(lease.name)", "error": "\(error)"])
            }
            do { try await time.sleep(for: .seconds(1)) } catch { return }
        }
    }

    func workers(of lease: HeldLease) -> [ConnectionWorker] {
        workers.values.filter { $0.connection.leaseName == lease.name }
    }

    /// Gives a lease back and lets it be claimed again, after its exports could not be taken over: under a new epoch, everything is
    /// taken over again.
    func giveBack(_ lease: HeldLease, of replica: Replica) async { await handOver(lease, of: replica) }
}
