import ExportLedger
import TestSupport

@testable import ExportEngine

/// What a process does about its registration and its leases, as the engine does it with the actions of `LeaseKeeper`.
extension LeaseSchedule {
    func heartbeat(of process: Int) {
        let next = now + Self.heartbeat + random.between(0, 100_000)
        queue.add(.heartbeat, at: next, process: process, incarnation: processes[process].incarnation)
        if !processes[process].isAsking { ask(process) }
    }

    /// Renews the registration, or registers.
    private func ask(_ process: Int) {
        processes[process].isAsking = true
        send(processes[process].replica == 0 ? .join : .renew, from: process)
    }

    /// Everything of the registration is lost, or is to be: the process registers again.
    private func joinAgain(_ process: Int) {
        counts.lostLeases += processes[process].keeper.registrationExpired().count
        processes[process].drop()
        ask(process)
    }

    func answered(_ index: Int) {
        let flight = flights[index]
        release(index)
        let process = flight.process
        // The answer to an earlier registration.
        guard flight.replica == processes[process].replica else { return }
        switch (flight.request, flight.answer) {
        case (.join, .view(let view?, let replica, let created)):
            processes[process].isAsking = false
            processes[process].replica = replica
            let actions = processes[process].keeper.joined(view, at: clock(of: process), askedAt: flight.askedAt)
            act(process, on: actions, view, created)
        case (.renew, .view(let view?, _, let created)):
            processes[process].isAsking = false
            if flight.sentAt >= processes[process].pausedUntil { processes[process].isClockBehind = false }
            let actions = processes[process].keeper.renewed(view, at: clock(of: process), askedAt: flight.askedAt)
            act(process, on: actions, view, created)
        case (.renew, _), (_, .expired):
            counts.expirations += 1
            joinAgain(process)
        case (.claim, .claimed(let leases)):
            processes[process].isClaiming = false
            processes[process].keeper.claimed(leases)
            for lease in leases where processes[process].keeper.holds(lease.name) == lease { begin(lease, of: process) }
        case (.free(let number, let epoch), _):
            processes[process].isFreeing = false
            let lease = HeldLease(name: names[number], replica: Names.replica(flight.replica), epoch: epoch)
            processes[process].keeper.freed(lease)
        case (.takeOver(let lease, let epoch, _), .tookOver(let taken, let next)):
            guard processes[process].keeper.holds(names[lease])?.epoch == epoch else { return }
            for export in taken { work(on: export, lease: lease, process) }
            if let next { send(.takeOver(lease, epoch: epoch, from: next), from: process) }
        case (.insert(let lease, _), .inserted(let export)):
            switch export.owner {
            case .nobody: break
            case .own: work(on: export, lease: lease, process)
            case .lease(_, _, let epoch):
                if processes[process].keeper.holds(names[lease])?.epoch == epoch {
                    work(on: export, lease: lease, process)
                }
            }
        case (.write(_, let number), .wrote(let isAccepted)):
            wrote(process, work: number, isAccepted)
        default: break
        }
    }

    /// Nobody knows whether the request was carried out, or will be.
    func timedOut(_ index: Int) {
        let flight = flights[index]
        release(index)
        let process = flight.process
        guard flight.replica == processes[process].replica else { return }
        switch flight.request {
        case .join, .renew: processes[process].isAsking = false
        case .claim: processes[process].isClaiming = false
        case .free: processes[process].isFreeing = false
        case .leave, .cancel: break
        case .write(let write, let number) where options.retriesUndetermined:
            send(.write(write, work: number), from: process)
        case .takeOver, .insert, .write:
            // With a new registration, everything is taken over again, and what is still on its way is stale.
            counts.undetermined += 1
            joinAgain(process)
        }
    }

    private func act(
        _ process: Int,
        on actions: LeaseKeeper.Actions,
        _ view: ReplicaView,
        _ created: Int
    ) {
        for lease in actions.lost {
            counts.lostLeases += 1
            processes[process].drop(lease, number: Names.number(of: lease.name))
        }
        for lease in actions.found {
            counts.foundLeases += 1
            begin(lease, of: process)
        }
        if !actions.claim.isEmpty, !processes[process].isClaiming {
            processes[process].isClaiming = true
            send(.claim(actions.claim.map(Names.number)), from: process)
        }
        if let lease = actions.handOver { handOver(lease, process) }
        if view.replicas != processes[process].seenReplicas || created > processes[process].seenCreated {
            (processes[process].seenReplicas, processes[process].seenCreated) = (view.replicas, created)
            for lease in processes[process].keeper.held where !actions.found.contains(lease) {
                begin(lease, of: process)
            }
        }
    }

    /// Takes over what the lease is for.
    private func begin(_ lease: HeldLease, of process: Int) {
        if processes[process].keeper.leaving == lease { return }
        send(.takeOver(Names.number(of: lease.name), epoch: lease.epoch, from: 0), from: process)
    }

    private func handOver(_ lease: HeldLease, _ process: Int) {
        let number = Names.number(of: lease.name)
        let owner = LeaseTable.Owner.lease(number, replica: processes[process].replica, epoch: lease.epoch)
        let isStarting = processes[process].works
            .contains { work in
                work.owner == owner && (work.stage == .calling || work.stage == .mayCall)
            }
        guard !isStarting, !processes[process].isFreeing else { return }
        processes[process].drop(lease, number: number)
        processes[process].isFreeing = true
        send(.free(number, epoch: lease.epoch), from: process)
    }
}
