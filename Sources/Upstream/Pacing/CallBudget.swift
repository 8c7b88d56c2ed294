public import Exports
public import Metrics
import Synchronization

/// A request budget that calls wait for: `BudgetState` with a clock and with waiting tasks.
///
/// All connections that use the same limit of an upstream share one budget. It has no task of its own: one of the waiting tasks
/// sleeps until the next change, and wakes the others that have an outcome.
public final class CallBudget: Sendable {
    /// The place of a call. Every place must end with `answered` or `giveBack`.
    public struct Place: Sendable {
        /// Nil for a call without a limit.
        fileprivate var place: ReplicaBudgetState.Place?
        /// The order in which the places of a budget were taken; 0 for a call without a limit.
        public var order: UInt64 {
            switch place {
            case .own(let id): id
            case .remote(let place): place.id
            case nil: 0
            }
        }
        /// How long the call has waited for it.
        public fileprivate(set) var waited = Duration.zero
    }

    /// Why a call has no place.
    public enum Refusal: Error, Sendable, Hashable {
        /// The budget has no place within the call's patience.
        case queued(QueuePlace, comeBackIn: Duration)
        /// The upstream asked for a longer pause.
        case held(Duration)
        /// The task was cancelled. No place is taken.
        case cancelled
    }

    struct State {
        var configured: RequestBudget?
        var budget: ReplicaBudgetState
        /// Where messages to other replicas are sent; nil where the budget is not shared.
        var peers: (any BudgetPeers)?
        var signals: [UInt64: Signal] = [:]
        /// The ticket of the task that sleeps for all.
        var sleeper: UInt64?

        /// A task waits no longer: another one then sleeps for all.
        mutating func end(_ ticket: UInt64) {
            signals[ticket] = nil
            if sleeper == ticket { sleeper = nil }
        }
    }

    private enum Step {
        case done(ReplicaBudgetState.Outcome)
        case cancelled
        case sleep(Duration)
        case wait
    }

    /// The name in metrics.
    public let name: String
    /// The configured budget; nil for no limit.
    public var budget: RequestBudget? { state.withLock { $0.configured } }
    let time: any TimeSource
    private let metrics: BudgetMetrics
    private let state: Mutex<State>
    /// The ticket of `serve`, which sleeps for all while it runs.
    private static let server: UInt64 = 0

    /// Makes a budget.
    public init(_ budget: RequestBudget?, name: String, time: any TimeSource, metrics: any MetricsFactory) {
        self.name = name
        self.time = time
        self.metrics = BudgetMetrics(name, factory: metrics)
        state = Mutex(State(configured: budget, budget: ReplicaBudgetState(budget)))
    }

    /// Waits for a place. Throws when there is none in time (at once where that is known at once), and when the task is
    /// cancelled.
    public func place(for call: PacedCall) async throws(Refusal) -> Place {
        let started = time.elapsed()
        if state.withLock({ $0.budget.budget.isUnbounded(call) }) { return Place() }
        let signal = Signal()
        var ticket = ask(call, signal)
        while true {
            switch step(ticket, call) {
            case .done(.admitted(let place)):
                let waited = time.elapsed() - started
                metrics.admitted(call.priority, after: waited)
                return Place(place: place, waited: waited)
            case .done(.moved):
                var rest = call
                rest.patience = max(.zero, call.patience - (time.elapsed() - started))
                ticket = ask(rest, signal)
            case .done(.queued(let place, let wait)):
                metrics.refused(call.priority, .queued)
                throw .queued(place, comeBackIn: wait)
            case .done(.held(let rest)):
                metrics.refused(call.priority, .held)
                throw .held(rest)
            case .cancelled: throw .cancelled
            case .sleep(let wait): await signal.wait(until: time.now() + wait, of: time)
            case .wait: await signal.wait()
            }
        }
    }

    /// The call is sent only now, because something was done first. Returns false where it must not be sent any more: where
    /// replicas share the budget, a place is good for a few seconds, and only while this replica's registration is valid and the
    /// lease has not changed hands. The place must be given back then.
    public func sending(_ place: Place) -> Bool { change(place) { $0.sending($1, at: $2) } ?? true }

    /// The upstream has answered, or no answer will come any more.
    public func answered(_ place: Place) { change(place) { $0.answered($1, at: $2) } }

    /// The upstream refused the call with 429: fewer calls are made for a while, on all replicas.
    public func throttled(_ place: Place) { change(place) { $0.throttled($1, at: $2) } }

    /// Nothing of the call was sent: gives the place back.
    public func giveBack(_ place: Place) { change(place) { $0.giveBack($1, at: $2) } }

    /// A host asked for a pause: the calls to it wait, and no others. Replicas that share the budget are told.
    public func hold(_ host: String, for duration: Duration) {
        change { $0.budget.hold(host, for: duration, at: now) }
    }

    /// How long a host must not be called yet; nil for one that may be called.
    public func hold(of host: String) -> Duration? { state.withLock { $0.budget.budget.hold(of: host, at: now) } }

    /// Changes the budget. Calls that were made stay counted, and those that wait go on waiting. Does nothing to a budget without a
    /// limit, because its calls were not counted.
    public func resize(to budget: RequestBudget) {
        change { state in
            guard state.configured != nil else { return }
            state.configured = budget
            state.budget.resize(to: budget, at: now)
        }
    }

    /// The usage of the budget. On a replica that follows it is what the leader has told last, a few seconds ago.
    public var usage: BudgetUsage { state.withLock { $0.budget.usage(at: now) } }

    /// Removes the place of some work in the queue: it needs no further calls.
    public func remove(_ work: PacedWork) {
        guard budget != nil else { return }
        change { $0.budget.remove(work) }
    }

    /// Sleeps for all who wait, those of other replicas too, until the task is cancelled. A budget that is shared needs it; once
    /// at a time.
    public func serve() async {
        let signal = Signal()
        change(by: Self.server) { state in
            state.signals[Self.server] = signal
            state.sleeper = Self.server
        }
        while !Task.isCancelled {
            let wait = change(by: Self.server) { state in
                state.budget.settle(at: now)
                return state.budget.nextChange(at: now)
            }
            await signal.wait(until: wait.map { time.now() + $0 }, of: time)
        }
        change { $0.end(Self.server) }
    }

    /// The monotonic clock: a wall clock that is set forward would free places that are not free.
    var now: Timestamp { Timestamp(milliseconds: time.elapsed().milliseconds) }

    @discardableResult
    private func change<Value: Sendable>(
        _ place: Place,
        _ body: (inout ReplicaBudgetState, ReplicaBudgetState.Place, Timestamp) -> Value
    ) -> Value? {
        // A call without a limit has no place.
        guard let place = place.place else { return nil }
        return change { body(&$0.budget, place, now) }
    }

    private func ask(_ call: PacedCall, _ signal: Signal) -> UInt64 {
        change { state in
            let ticket = state.budget.ask(call, at: now)
            state.signals[ticket] = signal
            return ticket
        }
    }

    private func step(_ ticket: UInt64, _ call: PacedCall) -> Step {
        change(by: ticket) { state in
            let now = now
            state.budget.settle(at: now)
            if Task.isCancelled {
                state.budget.leave(ticket, at: now)
                state.end(ticket)
                return .cancelled
            }
            if let outcome = state.budget.outcome(of: ticket) {
                state.end(ticket)
                // Another task may have admitted the call a while ago, but it is sent only now.
                if case .admitted(let place) = outcome, !state.budget.sending(place, at: now) {
                    state.budget.giveBack(place, at: now)
                    return .done(.moved)
                }
                return .done(outcome)
            }
            guard state.sleeper == nil || state.sleeper == ticket else { return .wait }
            state.sleeper = ticket
            return .sleep(state.budget.nextChange(at: now) ?? .zero)
        }
    }

    /// Changes the state. Wakes the tasks that have an outcome now, and the one that sleeps for all, because the next change
    /// may come sooner. The task that makes the change reads its own outcome. Sends what other replicas are told.
    func change<Value: Sendable>(by own: UInt64? = nil, _ body: (inout State) -> Value) -> Value {
        let (value, woken, peers, messages) = state.withLock { state in
            let value = body(&state)
            var tickets = state.budget.answeredTickets
            if let sleeper = state.sleeper ?? state.signals.keys.first { tickets.append(sleeper) }
            let woken = tickets.compactMap { $0 == own ? nil : state.signals[$0] }
            // Set while the lock is held, so that an older value never overwrites a newer one. It only stores numbers.
            metrics.set(BudgetMetrics.Figures(state.budget.budget))
            return (value, woken, state.peers, state.budget.takeOutbox())
        }
        for signal in woken { signal.fire() }
        if !messages.isEmpty { peers?.send(messages) }
        return value
    }
}
