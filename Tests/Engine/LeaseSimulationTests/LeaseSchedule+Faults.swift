import TestSupport

/// What goes wrong. All of it has ended at `faultsEnd`.
extension LeaseSchedule {
    enum Fault: Int, CaseIterable {
        /// SIGSTOP, and SIGCONT later. At times the monotonic clock stands still, too, as in a virtual machine.
        case pause, pauseAgain
        /// Requests, answers or both are lost.
        case cut
        /// Requests are held on their way, and arrive in another order.
        case slow
        case wallClock, storageClock
        /// SIGKILL, and a new process later.
        case kill
        /// A planned end.
        case leave
        case storageRestart
    }

    func addFaults() {
        faultsEnd = 1_000_000
        for _ in 0..<1 + random.below(5) {
            let time = random.between(1_000_000, 18_000_000)
            faultsEnd = max(faultsEnd, time)
            queue.add(.fault, at: time, random.below(Fault.allCases.count))
        }
    }

    func begin(fault number: Int) {
        let process = random.below(processes.count)
        switch Fault(rawValue: number) {
        case .pause, .pauseAgain: pause(process)
        case .cut:
            let kind = random.below(3)
            processes[process].losesRequests = kind != 1
            processes[process].losesAnswers = kind != 0
            processes[process].cutUntil = ends(after: random.between(300_000, 15_000_000))
            counts.cuts += 1
        case .slow:
            processes[process].slowUntil = ends(after: random.between(500_000, 6_000_000))
            counts.slowConnections += 1
        case .wallClock:
            processes[process].wallOffset += random.between(-3_600_000_000, 3_600_000_000)
            counts.wallClockJumps += 1
        case .storageClock: setStorageClock()
        case .kill: end(process)
        case .leave:
            guard processes[process].isRunning, processes[process].pausedUntil <= now else { return }
            if processes[process].replica != 0 { send(.leave, from: process) }
            counts.leaves += 1
            end(process)
        case .storageRestart:
            storageDownUntil = ends(after: random.between(200_000, 4_000_000))
            counts.storageRestarts += 1
        case nil: break
        }
    }

    private func ends(after duration: Int64) -> Int64 {
        faultsEnd = max(faultsEnd, now + duration)
        return now + duration
    }

    private func pause(_ process: Int) {
        guard processes[process].isRunning, processes[process].pausedUntil <= now else { return }
        let isLong = !random.once(in: 3)
        let duration = isLong ? random.between(8_000_000, 18_000_000) : random.between(100_000, 8_000_000)
        processes[process].pausedUntil = ends(after: duration)
        counts.pauses += 1
        if duration > Self.lifetime { counts.pausesBeyondLease += 1 }
        if random.once(in: 8) {
            processes[process].lag += duration
            processes[process].isClockBehind = true
            counts.clocksStopped += 1
        }
    }

    private func setStorageClock() {
        counts.storageClockJumps += 1
        if random.once(in: 4) || now < smallJumpsFrom {
            storageOffset += random.between(-15_000_000, 15_000_000)
            // What was renewed before can expire too early.
            storageJumpedUntil = now + Self.lifetime + Self.lifetime / 10
        } else {
            // Within the margin, together with the clocks' rates.
            storageOffset += random.between(-200_000, 200_000)
            smallJumpsFrom = now + Self.lifetime + Self.lifetime / 10
        }
    }

    private func end(_ process: Int) {
        guard processes[process].isRunning else { return }
        counts.kills += 1
        processes[process].isRunning = false
        processes[process].pausedUntil = 0
        queue.add(.restart, at: ends(after: random.between(200_000, 4_000_000)), process: process)
    }

    func restart(_ process: Int) {
        processes[process].restart(newKeeper())
        queue.add(.heartbeat, at: now, process: process, incarnation: processes[process].incarnation)
    }
}
