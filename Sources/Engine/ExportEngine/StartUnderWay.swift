import ExportLedger
import Exports
import Synchronization

/// One call that starts a job, as the connection worker sees it, with what was stored before its first byte was sent.
final class StartUnderWay: Sendable {
    /// Why nothing was sent.
    enum Refusal: Sendable {
        /// The export ended, or has another owner.
        case withdrawn
        /// The gateway is stopping.
        case stopped
        case ledger(any Error)
    }

    private struct State {
        /// Whether the call has begun: from then on it is completed.
        var isBeginning = false
        var begun: LedgerRecord?
        /// Whether the ledger may say that the start has not begun: the write that says so has failed, but may still be found
        /// after the process has ended.
        var isUncertain = false
        var refusal: Refusal?
    }

    private let record: LedgerRecord
    private let secretsInMemory: Bool
    private let worker: ConnectionWorker
    private let state = Mutex(State())

    init(record: LedgerRecord, secretsInMemory: Bool, worker: ConnectionWorker) {
        self.record = record
        self.secretsInMemory = secretsInMemory
        self.worker = worker
    }

    var event: ExportLife.Event {
        .submissionBegins(
            secretsInMemory: secretsInMemory,
            upstreamTime: worker.connection.provider.upstreamTime(at: worker.time.now())
        )
    }

    var id: ExportID { record.export.id }
    var refusal: Refusal? { state.withLock { $0.refusal } }
    /// The fence for storing the outcome.
    var fence: Int64 { state.withLock { $0.begun?.fence } ?? record.fence }

    /// Ends the start if nothing of it was sent or stored. Returns whether that was so.
    func stop() -> Bool {
        state.withLock { state in
            guard !state.isBeginning, state.refusal == nil else { return false }
            state.refusal = .stopped
            return true
        }
    }

    /// Stores that the call is about to be made. Throws when it must not be made.
    func begin() async throws(ProviderError) {
        let refusal = state.withLock { state -> Refusal? in
            if state.refusal == nil { state.isBeginning = true }
            return state.refusal
        }
        if let refusal { try refuse(refusal) }
        let (isBegun, isUncertain) = state.withLock { ($0.begun != nil, $0.isUncertain) }
        guard !isBegun || isUncertain else { return }
        let id = record.export.id
        do {
            let begun = try await worker.transitions.apply(event, to: id, fence: record.fence, worker.life)
            guard let begun, begun.phase == .submitting else { return try refuse(.withdrawn) }
            state.withLock { ($0.begun, $0.isUncertain) = (begun, false) }
            // The process may have been stopped for so long that another replica has taken the export over.
            guard worker.ownership.mayBegin(at: worker.time.elapsed()) else {
                await didNotStart()
                // It may also be still this one's: it is tried again, and then compared with the ledger.
                return try refuse(.ledger(LedgerError(.unavailable, "the registration may have expired")))
            }
        } catch let error as ProviderError {
            throw error
        } catch  where isUncertain {
            // Handled like a failed call, whose outcome is stored with retries until that succeeds, because the row may say that
            // the start is under way.
            throw Self.notMade
        } catch {
            try refuse(.ledger(error))
        }
    }

    /// The call that was stored has started nothing, and waits to be repeated. It is stored as not begun, so that an end of the
    /// gateway in that time leaves no unconfirmed start. Where the ledger fails, the start stays begun, and is stored as begun
    /// once more before the next call.
    func didNotStart() async {
        guard let begun = state.withLock({ $0.begun }) else { return }
        do {
            _ = try await worker.transitions.apply(.startRefused, to: begun.export.id, fence: begun.fence, worker.life)
        } catch {
            return state.withLock { $0.isUncertain = true }
        }
        // If the record was changed in the meantime, `begin` notices it.
        state.withLock { ($0.begun, $0.isBeginning) = (nil, false) }
        worker.starts.waitsAgain(self)
    }

    private func refuse(_ refusal: Refusal) throws(ProviderError) {
        state.withLock { $0.refusal = refusal }
        throw Self.notMade
    }

    private static let notMade = ProviderError(
        .transient,
        "The gateway did not make the call.",
        problem: .unavailable
    )
}

/// The starts of a connection that are under way. When the connection's work ends, starts that still wait for their place in the
/// request budget are given up; the others are completed.
final class StartsUnderWay: Sendable {
    private struct State {
        var isStopped = false
        var waiting: [ObjectIdentifier: (start: StartUnderWay, signal: Signal)] = [:]
    }

    private let state = Mutex(State())

    /// Gives up all starts that wait, now and later.
    func stop() {
        let waiting = state.withLock { state in
            state.isStopped = true
            return Array(state.waiting.values)
        }
        for (start, signal) in waiting where start.stop() { signal.fire() }
    }

    /// Gives up those starts of these exports that still wait.
    func giveUp(_ ids: Set<ExportID>) {
        let waiting = state.withLock { $0.waiting.values.filter { ids.contains($0.start.id) } }
        for (start, signal) in waiting where start.stop() { signal.fire() }
    }

    /// A start that was begun waits for a place again: it is given up if everything is stopped.
    func waitsAgain(_ start: StartUnderWay) {
        let stopped = state.withLock { $0.isStopped ? $0.waiting[ObjectIdentifier(start)] : nil }
        if let stopped, start.stop() { stopped.signal.fire() }
    }

    /// Makes a start, and cancels it when everything is stopped and nothing of it was sent. It then throws the error of a start
    /// that was cancelled before anything was sent, and the start's `refusal` is `stopped`.
    func untilStopped(
        _ start: StartUnderWay,
        _ make: @escaping @Sendable () async throws(ProviderError) -> Submission
    ) async throws(ProviderError) -> Submission {
        let (id, signal) = (ObjectIdentifier(start), Signal())
        let isStopped = state.withLock { state in
            state.waiting[id] = (start, signal)
            return state.isStopped
        }
        defer { state.withLock { _ = $0.waiting.removeValue(forKey: id) } }
        if isStopped, start.stop() { signal.fire() }
        let outcome = await withTaskGroup(of: Result<Submission, ProviderError>?.self) { group in
            group.addTask {
                do throws(ProviderError) { return .success(try await make()) } catch { return .failure(error) }
            }
            group.addTask {
                await signal.wait()
                return nil
            }
            // The first task makes the start and returns its outcome. The second one waits for the signal.
            var outcome: Result<Submission, ProviderError>?
            for await result in group {
                if let result { outcome = result }
                // Also when the signal's wait ended because the whole task was cancelled: then the start is cancelled too.
                group.cancelAll()
            }
            return outcome
        }
        guard let outcome else { throw ProviderError(.transient, "The gateway did not make the call.") }
        return try outcome.get()
    }
}
