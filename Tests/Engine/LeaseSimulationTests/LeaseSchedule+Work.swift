import ExportLedger
import TestSupport

@testable import ExportEngine

/// What a process does with the exports that it owns: start, poll, settle, each with a write of what it knows.
extension LeaseSchedule {
    /// Whether a process may begin new work for a lease.
    private func mayBegin(_ process: Int, lease: Int) -> Bool {
        let keeper = processes[process].keeper
        guard let held = keeper.holds(names[lease]), held != keeper.leaving else { return false }
        return keeper.isValid(at: clock(of: process))
    }

    /// Whether a start that is stored may be made. It ends before the lease is handed over.
    private func mayCall(_ process: Int, _ work: Work) -> Bool {
        let keeper = processes[process].keeper
        if case .lease(_, _, let epoch) = work.owner, keeper.holds(names[work.lease])?.epoch != epoch { return false }
        return keeper.isValid(at: clock(of: process))
    }

    /// Whether a process might make a start under an epoch of a lease before `epoch`.
    func mightStart(_ process: Int, lease: Int, before epoch: Int64) -> Bool {
        let keeper = processes[process].keeper
        guard let held = keeper.holds(names[lease]), held.epoch < epoch else { return false }
        guard held == keeper.leaving else { return mayBegin(process, lease: lease) }
        return processes[process].works.contains { $0.lease == lease && $0.stage == .mayCall && mayCall(process, $0) }
    }

    private func isOwn(_ work: Work) -> Bool {
        if case .own = work.owner { true } else { false }
    }

    func createExport() {
        let process = random.below(processes.count)
        let replica = processes[process]
        guard replica.isRunning, replica.pausedUntil <= now, replica.replica != 0 else {
            queue.add(.create, at: now + 500_000)
            return
        }
        toCreate -= 1
        let lease = random.below(names.count)
        var owner = LeaseTable.Owner.nobody
        if random.once(in: 4) {
            owner = .own(replica.replica)
        } else if mayBegin(process, lease: lease), let held = replica.keeper.holds(names[lease]) {
            owner = .lease(lease, replica: replica.replica, epoch: held.epoch)
        }
        send(.insert(lease: lease, owner: owner), from: process)
    }

    /// A caller cancels, on any replica.
    func cancelExport() {
        let process = random.below(processes.count)
        guard processes[process].isRunning, !table.exports.isEmpty else { return }
        send(.cancel(random.below(table.exports.count)), from: process)
    }

    /// A process owns an export now, and works on it from what it has read.
    func work(on taken: Flight.Taken, lease: Int, _ process: Int) {
        guard taken.phase != .settled else { return }
        processes[process].works.removeAll { $0.export == taken.export }
        lastWork += 1
        processes[process].works
            .append(
                Work(
                    number: lastWork,
                    export: taken.export,
                    lease: lease,
                    owner: taken.owner,
                    fence: taken.fence,
                    phase: taken.phase,
                    polls: taken.polls
                )
            )
        wait(process, lastWork)
    }

    private func wait(_ process: Int, _ work: Int) {
        // Longer than a lease at times, such as a poll with `Retry-After`.
        let delay = random.once(in: 12) ? random.between(5_000_000, 14_000_000) : random.between(1_000, 1_500_000)
        add(.step, in: delay, process, work)
    }

    private func add(_ kind: EventQueue.Kind, in delay: Int64, _ process: Int, _ work: Int, _ export: Int = 0) {
        queue.add(kind, at: now + delay, process: process, incarnation: processes[process].incarnation, work, export)
    }

    private func index(of work: Int, _ process: Int) -> Int? {
        processes[process].works.firstIndex { $0.number == work }
    }

    func step(_ process: Int, work number: Int) {
        guard let index = index(of: number, process) else { return }
        let work = processes[process].works[index]
        switch work.phase {
        case .notStarted:
            if isOwn(work) ? mayCall(process, work) : mayBegin(process, lease: work.lease) {
                write(process, index, .starting)
            } else {
                counts.notValid += 1
                add(.step, in: 500_000, process, number)
            }
        case .starting:
            // Its former owner may have started it: it is never started again.
            counts.unconfirmed += 1
            write(process, index, .settled)
        case .running: write(process, index, work.polls < Self.polls ? .running : .settled)
        case .settled: break
        }
    }

    private func write(_ process: Int, _ index: Int, _ phase: LeaseTable.Phase) {
        processes[process].works[index].stage = .writing
        processes[process].works[index].written = phase
        let work = processes[process].works[index]
        let write = LeaseTable.Write(
            export: work.export,
            fence: work.fence,
            owner: work.owner,
            phase: phase,
            polls: phase == .running ? work.polls + 1 : work.polls
        )
        processes[process].works[index].polls = write.polls
        send(.write(write, work: work.number), from: process)
    }

    func wrote(_ process: Int, work number: Int, _ isAccepted: Bool) {
        guard let index = index(of: number, process) else { return }
        guard isAccepted else {
            processes[process].works.remove(at: index)
            return
        }
        let phase = processes[process].works[index].written
        processes[process].works[index].phase = phase
        switch phase {
        case .starting:
            processes[process].works[index].stage = .mayCall
            add(.call, in: random.between(0, 3_000), process, number)
        case .running:
            processes[process].works[index].stage = .waiting
            wait(process, number)
        case .notStarted, .settled: processes[process].works.remove(at: index)
        }
    }

    /// The start that was stored is made, if the registration is still valid.
    func call(_ process: Int, work number: Int) {
        guard let index = index(of: number, process) else { return }
        let work = processes[process].works[index]
        guard mayCall(process, work) else {
            counts.notValid += 1
            add(.call, in: 500_000, process, number)
            return
        }
        counts.starts += 1
        processes[process].works[index].stage = .calling
        if random.once(in: 4) {
            // The process can be stopped after it has checked.
            add(.callLeaves, in: random.between(0, 1_000), process, number, work.export)
        } else {
            callLeaves(process, work: number, export: work.export)
        }
    }

    func callLeaves(_ process: Int, work number: Int, export: Int) {
        let delay = random.between(10_000, 1_500_000)
        queue.add(.callReached, at: now + delay / 2, export)
        add(.callAnswered, in: delay, process, number)
    }

    func callAnswered(_ process: Int, work number: Int) {
        guard let index = index(of: number, process) else { return }
        write(process, index, .running)
    }
}
