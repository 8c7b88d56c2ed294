import ExportLedger
import TestSupport

@testable import ExportEngine

/// Requests to the table and their answers: lost, held on their way, applied in another order, or given up.
extension LeaseSchedule {
    func send(_ request: Flight.Request, from process: Int) {
        let replica = processes[process]
        let flight = Flight(
            request: request,
            replica: replica.replica,
            process: process,
            incarnation: replica.incarnation,
            sentAt: now,
            askedAt: clock(of: process)
        )
        let index: Int
        if let unused = unusedFlights.popLast() {
            index = unused
            flights[index] = flight
        } else {
            index = flights.count
            flights.append(flight)
        }
        counts.requests += 1
        if now < replica.cutUntil, replica.losesRequests {
            counts.lostRequests += 1
            giveUp(index)
        } else {
            var delay = random.once(in: 16) ? random.between(1_000, 400_000) : random.between(500, 20_000)
            if now < replica.slowUntil { delay += random.between(0, 12_000_000) }
            queue.add(.arrives, at: now + delay, index)
            if delay > Self.patience { giveUp(index) }
        }
    }

    /// Nobody waits for the answer after the patience.
    private func giveUp(_ index: Int) {
        let flight = flights[index]
        guard !flight.isGivenUp else { return }
        flights[index].isGivenUp = true
        queue.add(
            .timedOut,
            at: max(now, flight.sentAt + Self.patience),
            process: flight.process,
            incarnation: flight.incarnation,
            addNote(of: flight)
        )
    }

    /// A copy that is handled when the time has passed, because the request itself may still be on its way.
    private func addNote(of flight: Flight) -> Int {
        if let unused = unusedFlights.popLast() {
            flights[unused] = flight
            return unused
        }
        flights.append(flight)
        return flights.count - 1
    }

    func release(_ index: Int) { unusedFlights.append(index) }

    /// The request reaches the storage, and is one step there.
    func arrives(_ index: Int) {
        let flight = flights[index]
        if now < storageDownUntil {
            counts.lostRequests += 1
            giveUp(index)
            release(index)
            return
        }
        if flight.sentAt < lastArrival[flight.process] { counts.reordered += 1 }
        lastArrival[flight.process] = max(lastArrival[flight.process], flight.sentAt)
        if flight.isGivenUp { counts.appliedLate += 1 }
        let answer = apply(flight)
        let replica = processes[flight.process]
        let delay = random.between(500, 20_000)
        let isLost = now < replica.cutUntil && replica.losesAnswers
        if isLost { counts.lostAnswers += 1 }
        guard !isLost, !flight.isGivenUp, now + delay < flight.sentAt + Self.patience else {
            giveUp(index)
            release(index)
            return
        }
        flights[index].answer = answer
        queue.add(.answered, at: now + delay, process: flight.process, incarnation: flight.incarnation, index)
    }

    private func apply(_ flight: Flight) -> Flight.Answer {
        let (replica, time) = (flight.replica, storageNow)
        switch flight.request {
        case .join:
            counts.joins += 1
            let joined = table.join(at: time)
            return .view(view(for: joined), replica: joined, created: table.exports.count)
        case .renew:
            guard table.renew(replica, at: time) else { return .view(nil, replica: 0, created: 0) }
            return .view(view(for: replica), replica: replica, created: table.exports.count)
        case .claim(let leases):
            let claimed = table.claim(leases, for: replica, at: time)
            for (lease, epoch) in claimed {
                counts.claims += 1
                witness.granted(lease, to: replica, epoch: epoch)
                checkHolders(of: lease, epoch: epoch)
            }
            return .claimed(
                claimed.map { HeldLease(name: names[$0.lease], replica: Names.replica(replica), epoch: $0.epoch) }
            )
        case .free(let lease, let epoch):
            if table.leases[lease].holder == replica { counts.handOvers += 1 }
            table.free(lease, epoch: epoch, of: replica)
            witness.freed(lease, epoch: epoch)
            return .nothing
        case .leave:
            table.leave(replica)
            witness.left(replica)
            return .nothing
        case .takeOver(let lease, let epoch, let first):
            guard table.isLive(replica, at: time) else { return .expired }
            let page = table.takeOver(lease, epoch: epoch, for: replica, from: first, limit: 2, at: time)
            let owner = LeaseTable.Owner.lease(lease, replica: replica, epoch: epoch)
            counts.takenOver += page.taken.count
            for export in page.taken { witness.tookOver(export, owner: owner) }
            return .tookOver(page.taken.map(taken), next: page.next)
        case .insert(let lease, let owner):
            let export = table.insert(lease: lease, owner: owner)
            witness.inserted(owner: owner)
            return .inserted(taken(export))
        case .write(let write, _):
            let isAccepted = apply(write, at: time)
            return isAccepted || table.isLive(replica, at: time) ? .wrote(isAccepted) : .expired
        case .cancel(let export):
            table.cancel(export)
            return .nothing
        }
    }

    private func apply(_ write: LeaseTable.Write, at time: Int64) -> Bool {
        let before = table.exports[write.export].phase
        guard table.update(write, at: time) else {
            counts.refusedWrites += 1
            return false
        }
        counts.acceptedWrites += 1
        let registrations = table.registrations
        witness.wrote(
            write,
            over: before,
            expiresAt: { replica in registrations.first { $0.replica == replica }?.expiresAt },
            now: time
        )
        return true
    }

    private func taken(_ export: Int) -> Flight.Taken {
        let record = table.exports[export]
        return Flight.Taken(
            export: export,
            owner: record.owner,
            fence: record.fence,
            phase: record.phase,
            polls: record.polls
        )
    }

    private func view(for replica: Int) -> ReplicaView {
        let time = storageNow
        var replicas: [String] = []
        for registration in table.registrations where registration.expiresAt > time {
            replicas.append(Names.replica(registration.replica))
        }
        var leases: [ReplicaView.Lease] = []
        leases.reserveCapacity(names.count)
        for index in names.indices {
            let holder = table.isFree(index, at: time) ? nil : table.leases[index].holder.map(Names.replica)
            leases.append(ReplicaView.Lease(name: names[index], holder: holder, epoch: table.leases[index].epoch))
        }
        return ReplicaView(id: Names.replica(replica), replicas: replicas, leases: leases)
    }

    /// A lease was claimed: nobody else may believe, by its own clock, that it can begin work under an earlier epoch.
    private func checkHolders(of lease: Int, epoch: Int64) {
        guard now > storageJumpedUntil else { return }
        for index in processes.indices where processes[index].isRunning {
            guard !processes[index].isClockBehind, mightStart(index, lease: lease, before: epoch) else { continue }
            witness.foundTwoHolders()
        }
    }
}
