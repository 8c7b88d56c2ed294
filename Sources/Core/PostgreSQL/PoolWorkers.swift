import Dispatch
import Synchronization

/// The threads of a pool and the calls that they run.
final class PoolWorkers: Sendable {
    /// A thread. What it has to do next is decided by `PoolWorkers.step`, under the lock.
    final class Worker: Sendable {
        let wake = DispatchSemaphore(value: 0)
        let interrupter: Interrupter

        init(_ interrupter: Interrupter) { self.interrupter = interrupter }
    }

    enum Step {
        case run(PoolQueue.Call)
        case open
        case wait(until: ContinuousClock.Instant)
        case end
    }

    /// No connection can be opened.
    struct Outage {
        var error: PostgreSQLError
        var failures: Int
        var nextAttempt: ContinuousClock.Instant
        /// The only thread that tries; nil when nobody waits for a connection.
        var prober: Worker?
    }

    struct State {
        var queue = PoolQueue()
        /// Those with a connection that wait for a call, the one that waits for the shortest time last.
        var idle: [Worker] = []
        /// All threads that have not decided to end.
        var workers: [Worker] = []
        /// Those that still run.
        var running = 0
        var open = 0
        var outage: Outage?
        var isStopped = false
        var waitingForEnd: [CheckedContinuation<Void, Never>] = []
    }

    let limits: PostgreSQLPool.Limits
    let backOff: BackOff
    let open: @Sendable (Interrupter) throws(PostgreSQLError) -> PostgreSQLConnection
    let state = Mutex(State())
    private let lastNumber = Atomic<UInt64>(0)

    init(
        _ limits: PostgreSQLPool.Limits,
        backOff: BackOff,
        open: @escaping @Sendable (Interrupter) throws(PostgreSQLError) -> PostgreSQLConnection
    ) {
        (self.limits, self.backOff, self.open) = (limits, backOff, open)
    }

    var load: PostgreSQLPool.Load {
        state.withLock { .init(open: $0.open, idle: $0.idle.count, waiting: $0.queue.count) }
    }

    func newNumber() -> UInt64 { lastNumber.add(1, ordering: .relaxed).newValue }

    func add(_ number: UInt64, _ run: @escaping @Sendable (Result<PostgreSQLConnection, any Error>) -> Void) {
        let refusal = state.withLock { state -> PostgreSQLError? in
            guard !state.isStopped else { return Self.closed }
            guard state.queue.count < limits.waiting else {
                return PostgreSQLError(
                    .tooManyWaiting,
                    message: "\(limits.waiting) calls wait for the database already."
                )
            }
            if state.idle.isEmpty, state.outage?.prober == nil, state.workers.count < limits.connections {
                let failure = self.startWorker(&state)
                if let failure, state.workers.isEmpty { return failure }
            }
            state.queue.append(number, .init(expiry: .now + limits.patience, run: run))
            state.idle.popLast()?.wake.signal()
            return nil
        }
        if let refusal { run(.failure(refusal)) }
    }

    /// Fails a call that has not begun.
    func cancel(_ number: UInt64) {
        let call = state.withLock { $0.queue.remove(number) }
        call?.run(.failure(CancellationError()))
    }

    func stop() {
        let calls = state.withLock { state in
            state.isStopped = true
            for worker in state.workers {
                worker.wake.signal()
                worker.interrupter.interrupt()
            }
            return state.queue.removeAll()
        }
        for call in calls { call.run(.failure(Self.closed)) }
    }

    /// Returns when all threads have ended, after `stop()`.
    func ended() async {
        await withCheckedContinuation { continuation in
            let isEnded = state.withLock { state in
                if state.running > 0 { state.waitingForEnd.append(continuation) }
                return state.running == 0
            }
            if isEnded { continuation.resume() }
        }
    }

    func startWorker(_ state: inout State) -> PostgreSQLError? {
        do throws(PostgreSQLError) {
            let worker = Worker(try Interrupter())
            guard BlockingThread.start({ self.work(as: worker) }) else {
                throw PostgreSQLError(.other, message: "The process has no threads left.")
            }
            state.workers.append(worker)
            state.running += 1
            return nil
        } catch {
            return error
        }
    }

    private static var closed: PostgreSQLError {
        .init(.closed, message: "The connections to the database were closed.")
    }
}
