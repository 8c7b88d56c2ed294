import Dispatch
import Exports
import Synchronization

extension PoolWorkers {
    /// What a thread of the pool does.
    func work(as worker: Worker) {
        var connection: PostgreSQLConnection?
        var idleSince = ContinuousClock.now
        var hasWaited = false
        while true {
            // The server may have closed it in the meantime.
            if let current = connection, hasWaited ? !current.isUsable() : !current.isOpen {
                connection = nil
                state.withLock { $0.open -= 1 }
            }
            hasWaited = false
            switch step(worker, idleSince: connection == nil ? nil : idleSince) {
            case .run(let call):
                guard let current = connection else { preconditionFailure("a call without a connection") }
                call.run(.success(current))
                current.reset()
                idleSince = .now
            case .open:
                connection = opened(by: worker)
                idleSince = .now
            case .wait(let deadline):
                let rest = max(0, (deadline - .now).milliseconds) + 1
                hasWaited = true
                _ = worker.wake.wait(timeout: .now() + .milliseconds(Int(min(rest, 3_600_000))))
            case .end:
                connection?.close()
                return finish()
            }
        }
    }

    /// What a thread has to do next. `idleSince` is nil where it has no connection.
    private func step(_ worker: Worker, idleSince: ContinuousClock.Instant?) -> Step {
        let now = ContinuousClock.now
        var expired: [PoolQueue.Call] = []
        var failure: PostgreSQLError?
        let step = state.withLock { state -> Step in
            state.idle.removeAll { $0 === worker }
            if let outage = state.outage, state.open == 0 {
                expired = state.queue.removeExpired(at: now)
                failure = outage.error
            }
            let step = next(worker, idleSince: idleSince, now, &state)
            if case .end = step {
                if idleSince != nil { state.open -= 1 }
                if state.outage?.prober === worker { state.outage?.prober = nil }
                state.workers.removeAll { $0 === worker }
            }
            return step
        }
        if let failure { for call in expired { call.run(.failure(failure)) } }
        return step
    }

    private func next(
        _ worker: Worker,
        idleSince: ContinuousClock.Instant?,
        _ now: ContinuousClock.Instant,
        _ state: inout State
    ) -> Step {
        if state.isStopped { return .end }
        guard let expiry = state.queue.firstExpiry() else {
            guard let idleSince, now < idleSince + limits.idleTime else { return .end }
            state.idle.append(worker)
            return .wait(until: idleSince + limits.idleTime)
        }
        if idleSince != nil, let call = state.queue.popFirst() { return .run(call) }
        guard let outage = state.outage else { return .open }
        if let prober = outage.prober, prober !== worker { return .end }
        state.outage?.prober = worker
        return now >= outage.nextAttempt ? .open : .wait(until: min(outage.nextAttempt, expiry))
    }

    private func opened(by worker: Worker) -> PostgreSQLConnection? {
        do throws(PostgreSQLError) {
            let connection = try open(worker.interrupter)
            state.withLock { state in
                state.open += 1
                state.outage = nil
                // Those that ended because the server could not be reached.
                for _ in 0..<max(0, min(state.queue.count - 1, limits.connections - state.workers.count)) {
                    _ = startWorker(&state)
                }
            }
            return connection
        } catch {
            failedToOpen(worker, error)
            return nil
        }
    }

    private func failedToOpen(_ worker: Worker, _ error: PostgreSQLError) {
        let failed = state.withLock { state -> [PoolQueue.Call] in
            // Of several that failed at the same time, the first one's counts.
            if let prober = state.outage?.prober, prober !== worker { return [] }
            let failures = (state.outage?.failures ?? 0) + 1
            let attempt = ContinuousClock.now + backOff.delay(after: failures)
            state.outage = Outage(error: error, failures: failures, nextAttempt: attempt, prober: worker)
            return error.isPermanent && state.open == 0 ? state.queue.removeAll() : []
        }
        for call in failed { call.run(.failure(error)) }
    }

    private func finish() {
        let waiting = state.withLock { state in
            state.running -= 1
            defer { if state.running == 0 { state.waitingForEnd = [] } }
            return state.running == 0 ? state.waitingForEnd : []
        }
        for continuation in waiting { continuation.resume() }
    }
}
