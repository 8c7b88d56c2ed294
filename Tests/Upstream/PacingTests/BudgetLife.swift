import Exports
import TestSupport

@testable import Pacing

let start = Timestamp(milliseconds: 1_780_000_000_000)

extension BudgetState {
    /// Makes a call that the upstream answers at once.
    mutating func call(_ call: PacedCall, at time: Timestamp) {
        guard case .admitted(let place) = outcome(of: ask(call, at: time)) else { return }
        answered(place, at: time)
    }

    /// Asks and takes the answer that is there at once.
    mutating func now(_ call: PacedCall, at time: Timestamp) -> (ticket: UInt64, outcome: Outcome?) {
        let ticket = ask(call, at: time)
        return (ticket, outcome(of: ticket))
    }
}

func call(
    _ priority: CallPriority,
    host: String = "h",
    caller: String? = nil,
    weight: Int = 1,
    export: ExportID? = nil,
    patience: Duration = .seconds(3600),
    continues: UInt64? = nil
) -> PacedCall {
    PacedCall(
        priority,
        host: host,
        caller: caller,
        weight: weight,
        work: export.map { .export($0) },
        patience: patience,
        continues: continues
    )
}

func export(_ number: UInt64) -> ExportID {
    var generator = SeededRandom(seed: number)
    return ExportID(at: start, random: &generator)
}

func place(_ outcome: BudgetState.Outcome?) -> UInt64? {
    guard case .admitted(let place) = outcome else { return nil }
    return place
}

/// One random life of a budget: calls of all classes come, wait, give up, are sent late, are answered late or never.
struct BudgetLife {
    let budget: RequestBudget
    var state: BudgetState
    var random: SeededRandom
    var now = start
    /// When the upstream received each call.
    var received: [Int64] = []
    var waiting: [UInt64: Bool] = [:]
    var underWay: [(place: UInt64, receivedAt: Timestamp, answeredAt: Timestamp)] = []
    var asked = 0
    var ended = 0

    init(seed: UInt64) {
        random = SeededRandom(seed: seed)
        budget = RequestBudget(Int.random(in: 1...12, using: &random), per: .seconds(60))
        state = BudgetState(budget)
    }

    mutating func run(steps: Int) {
        for _ in 0..<steps { step() }
        // Whoever waits is heard of in the end.
        for _ in 0..<2000 where !waiting.isEmpty { advance(by: .seconds(10)) }
    }

    private mutating func step() {
        switch Int.random(in: 0..<10, using: &random) {
        case 0..<5:
            let priority = CallPriority.allCases[Int.random(in: 0..<3, using: &random)]
            let ticket = state.ask(
                call(
                    priority,
                    host: "h\(Int.random(in: 0..<2, using: &random))",
                    caller: "c\(Int.random(in: 0..<3, using: &random))",
                    export: export(UInt64.random(in: 0..<8, using: &random)),
                    patience: .milliseconds(Int64.random(in: 0..<120_000, using: &random))
                ),
                at: now
            )
            asked += 1
            waiting[ticket] = true
        case 5:
            if let ticket = waiting.keys.min() {
                state.leave(ticket, at: now)
                waiting[ticket] = nil
                ended += 1
            }
        case 6:
            if let call = underWay.last, Bool.random(using: &random) { state.throttled(call.place, at: now) }
        case 7: state.hold("h0", for: .seconds(Int.random(in: 0..<90, using: &random)), at: now)
        default: advance(by: .milliseconds(Int64.random(in: 0..<20_000, using: &random)))
        }
        collect()
    }

    private mutating func advance(by duration: Duration) {
        let end = now + duration
        // Nobody is served late: the state is asked when it says so.
        while let next = state.nextChange(at: now), now + next < end {
            now = now + max(.milliseconds(1), next)
            answer()
            state.settle(at: now)
            collect()
        }
        now = end
        answer()
        state.settle(at: now)
        collect()
    }

    private mutating func answer() {
        for call in underWay where call.answeredAt <= now { state.answered(call.place, at: now) }
        underWay.removeAll { $0.answeredAt <= now }
    }

    private mutating func collect() {
        for ticket in waiting.keys.sorted() {
            guard let outcome = state.outcome(of: ticket) else { continue }
            waiting[ticket] = nil
            ended += 1
            guard let place = place(outcome) else { continue }
            // It may have been given by somebody else's turn, a while ago.
            state.sending(place, at: now)
            if Int.random(in: 0..<12, using: &random) == 0 {
                state.giveBack(place, at: now)
                continue
            }
            let answer = Int64.random(in: 0..<30_000, using: &random)
            // It arrives at any time before it is answered: a connection may take half a minute.
            let arrival = Int64.random(in: 0...answer, using: &random)
            received.append((now + .milliseconds(arrival)).milliseconds)
            underWay.append((place, now + .milliseconds(arrival), now + .milliseconds(answer)))
        }
    }

    /// The most calls that were received in any time of the budget's length.
    var most: Int {
        let sorted = received.sorted()
        var (first, most) = (0, 0)
        for (last, time) in sorted.enumerated() {
            while time - sorted[first] >= budget.per.milliseconds { first += 1 }
            most = max(most, last - first + 1)
        }
        return most
    }
}
