import Exports
import TestSupport

@testable import Pacing

/// One random life of a budget that three replicas share. Replicas are stopped, cut off from the storage, killed and started again;
/// messages are lost, late, doubled and overtake each other; the lease is handed over, and taken from who does not renew it.
///
/// One event after another; each replica has a clock of its own. The storage's time is `now`.
struct ReplicaLife {
    enum Event {
        case heartbeat
        case renewal(begun: Int64)
        case renewed(begun: Int64, ReplicaBudgetState.View)
        case claim
        case claimed(epoch: Int64)
        case free(epoch: Int64)
        case message(BudgetMessage, from: String)
        case call
        case send(ReplicaBudgetState.Place)
        case answer(ReplicaBudgetState.Place, isThrottled: Bool)
        case wake
    }

    struct Scheduled {
        var time: Int64
        var order: Int
        var replica: Int
        /// The process for which it is: a killed one has no events.
        var process: Int
        var event: Event
    }

    struct Replica {
        var state: ReplicaBudgetState
        var id = ""
        var process = 0
        var clock: Int64 = 0
        var epoch: Int64?
        var stoppedUntil: Int64 = 0
        var cutOffUntil: Int64 = 0
        var startsAt: Int64?
        var waiting: Set<UInt64> = []
    }

    static let lifetime: Int64 = 10_000
    let budget: RequestBudget
    /// Whether a new leader counts what a former one may have spent.
    let countsFormerCalls: Bool
    var random: SeededRandom
    var now: Int64 = 0
    var replicas: [Replica] = []
    var events: [Scheduled] = []
    var order = 0
    var isQuiet = false

    // The storage.
    var registrations: [String: Int64] = [:]
    var holder: String?
    var epoch: Int64 = 0
    var ids = 0

    /// When the upstream received each call.
    var received: [Int64] = []
    var remote = 0
    var leaders: Set<String> = []

    init(seed: UInt64, countsFormerCalls: Bool = true) {
        random = SeededRandom(seed: seed)
        budget = RequestBudget(Int.random(in: 1...6, using: &random), per: .seconds(60))
        self.countsFormerCalls = countsFormerCalls
        replicas = (0..<3).map { _ in Replica(state: ReplicaBudgetState(budget)) }
        for index in 0..<3 { start(index) }
    }

    private mutating func chance(_ part: Int, of whole: Int) -> Bool {
        Int.random(in: 0..<whole, using: &random) < part
    }

    private mutating func number(_ range: ClosedRange<Int64>) -> Int64 { Int64.random(in: range, using: &random) }

    private mutating func start(_ index: Int) {
        var replica = Replica(state: ReplicaBudgetState(budget))
        replica.state.countsFormerCalls = countsFormerCalls
        replica.state.share()
        replica.process = replicas[index].process + 1
        replica.clock = number(0...1_000_000)
        replicas[index] = replica
        schedule(index, in: 0...1000, .heartbeat)
    }

    private mutating func schedule(_ index: Int, in delay: ClosedRange<Int64>, _ event: Event) {
        order += 1
        let time = now + number(delay)
        events.append(
            Scheduled(time: time, order: order, replica: index, process: replicas[index].process, event: event)
        )
    }

    private func clock(_ index: Int) -> Timestamp { Timestamp(milliseconds: now + replicas[index].clock) }

    /// Runs for a time with faults and calls, and then without, until everybody who waits has an answer.
    mutating func run(for length: Int64) {
        while now < length {
            if chance(1, of: 3) { schedule(Int.random(in: 0..<3, using: &random), in: 0...500, .call) }
            if chance(1, of: 40) { fault(Int.random(in: 0..<3, using: &random)) }
            advance(by: number(0...1500))
        }
        isQuiet = true
        for _ in 0..<160 where replicas.contains(where: { !$0.waiting.isEmpty }) { advance(by: 5000) }
    }

    private mutating func fault(_ index: Int) {
        switch Int.random(in: 0..<5, using: &random) {
        case 0: replicas[index].stoppedUntil = now + number(0...40_000)
        case 1: replicas[index].cutOffUntil = now + number(0...40_000)
        case 2:
            // Killed: what it has sent is on its way all the same.
            replicas[index].process += 1
            replicas[index].id = ""
            replicas[index].startsAt = now + number(0...30_000)
        case 3:
            guard let epoch = replicas[index].epoch, replicas[index].startsAt == nil else { return }
            replicas[index].epoch = nil
            replicas[index].state.nobodyLeads(at: clock(index))
            schedule(index, in: 0...500, .free(epoch: epoch))
            after(index)
        default: replicas[index].state.hold("h0", for: .seconds(number(0...30)), at: clock(index))
        }
    }

    private mutating func advance(by duration: Int64) {
        let end = now + duration
        while let next = nextTime, next <= end {
            now = max(now, next)
            for index in replicas.indices where (replicas[index].startsAt ?? .max) <= now { start(index) }
            guard let position = events.indices.min(by: { key(events[$0]) < key(events[$1]) }),
                events[position].time <= now
            else { continue }
            var event = events.remove(at: position)
            guard event.process == replicas[event.replica].process else { continue }
            // A stopped process goes on later.
            let stopped = replicas[event.replica].stoppedUntil
            if stopped > now, !isOfStorage(event.event) {
                event.time = stopped
                events.append(event)
                continue
            }
            handle(event.replica, event.event)
            after(event.replica)
        }
        now = end
    }

    private func key(_ event: Scheduled) -> (Int64, Int) { (event.time, event.order) }

    private var nextTime: Int64? {
        ([events.map(\.time).min()] + replicas.map(\.startsAt)).compactMap { $0 }.min()
    }

    /// What the storage does, it does whether the replica runs or not.
    private func isOfStorage(_ event: Event) -> Bool {
        switch event {
        case .renewal, .claim, .free: true
        default: false
        }
    }

    private func isCutOff(_ index: Int) -> Bool { replicas[index].cutOffUntil > now && !isQuiet }

    // MARK: Events

    private mutating func handle(_ index: Int, _ event: Event) {
        let time = clock(index)
        switch event {
        case .heartbeat:
            schedule(index, in: 2500...2500, .heartbeat)
            schedule(index, in: 0...300, .renewal(begun: time.milliseconds))
        case .renewal(let begun): renew(index, begun)
        case .renewed(let begun, let view): renewed(index, begun, view)
        case .claim:
            guard !isCutOff(index), isValid(replicas[index].id), holder.map({ !isValid($0) }) ?? true else { return }
            (holder, epoch) = (replicas[index].id, epoch + 1)
            schedule(index, in: 0...300, .claimed(epoch: epoch))
        case .claimed(let epoch):
            leaders.insert(replicas[index].id)
            replicas[index].epoch = epoch
            replicas[index].state.lead(epoch: epoch, at: time)
        case .free(let epoch):
            if !isCutOff(index), holder == replicas[index].id, self.epoch == epoch { holder = nil }
        case .message(let message, let sender): replicas[index].state.receive(message, from: sender, at: time)
        case .call: ask(index)
        case .send(let place): send(index, place)
        case .answer(let place, let isThrottled):
            if isThrottled { replicas[index].state.throttled(place, at: time) }
            replicas[index].state.answered(place, at: time)
        case .wake: replicas[index].state.settle(at: time)
        }
    }

    private func isValid(_ id: String) -> Bool { (registrations[id] ?? .min) > now }

    private mutating func renew(_ index: Int, _ begun: Int64) {
        guard !isCutOff(index) else { return }
        if !isValid(replicas[index].id) {
            ids += 1
            replicas[index].id = "replica \(ids)"
        }
        registrations[replicas[index].id] = now + Self.lifetime
        let view = ReplicaBudgetState.View(
            id: replicas[index].id,
            replicas: Set(registrations.filter { $0.value > now }.keys),
            holder: holder.flatMap { isValid($0) ? $0 : nil }
        )
        schedule(index, in: 0...300, .renewed(begun: begun, view))
    }

    private mutating func renewed(_ index: Int, _ begun: Int64, _ view: ReplicaBudgetState.View) {
        let time = clock(index)
        guard view.id == replicas[index].id else { return }
        replicas[index].state.isValid(until: Timestamp(milliseconds: begun + Self.lifetime), at: time)
        replicas[index].state.sees(view.replicas, at: time)
        if view.holder == view.id {
            return
        }
        replicas[index].epoch = nil
        if let leader = view.holder {
            replicas[index].state.follow(leader, at: time)
        } else {
            replicas[index].state.nobodyLeads(at: time)
            schedule(index, in: 0...300, .claim)
        }
    }

    private mutating func ask(_ index: Int) {
        guard !isQuiet else { return }
        let call = call(
            CallPriority.allCases[Int.random(in: 0..<3, using: &random)],
            host: "h\(Int.random(in: 0..<2, using: &random))",
            caller: "c\(Int.random(in: 0..<3, using: &random))",
            export: export(UInt64.random(in: 0..<8, using: &random)),
            patience: .milliseconds(number(0...60_000))
        )
        replicas[index].waiting.insert(replicas[index].state.ask(call, at: clock(index)))
    }

    private mutating func send(_ index: Int, _ place: ReplicaBudgetState.Place) {
        guard replicas[index].state.sending(place, at: clock(index)) else {
            return replicas[index].state.giveBack(place, at: clock(index))
        }
        if case .remote = place { remote += 1 }
        let arrival = number(0...BudgetLimits.way.milliseconds)
        received.append(now + arrival)
        let answer = number(arrival...30_000)
        schedule(index, in: answer...answer, .answer(place, isThrottled: chance(1, of: 20)))
    }

    /// After an event: outcomes are taken, messages go out, and the next time is planned.
    private mutating func after(_ index: Int) {
        for ticket in replicas[index].waiting.sorted() {
            guard let outcome = replicas[index].state.outcome(of: ticket) else { continue }
            replicas[index].waiting.remove(ticket)
            switch outcome {
            case .admitted(let place):
                if chance(1, of: 12) {
                    replicas[index].state.giveBack(place, at: clock(index))
                } else if chance(1, of: 3) {
                    // Something is done before it is sent.
                    schedule(index, in: 0...8000, .send(place))
                } else {
                    send(index, place)
                }
            case .moved: ask(index)
            case .queued, .held: break
            }
        }
        for addressed in replicas[index].state.takeOutbox() { post(addressed, from: index) }
        guard let wait = replicas[index].state.nextChange(at: clock(index)) else { return }
        events.removeAll { $0.replica == index && $0.isWake }
        let delay = max(1, wait.milliseconds)
        schedule(index, in: delay...delay, .wake)
    }

    private mutating func post(_ addressed: AddressedBudgetMessage, from index: Int) {
        guard !isCutOff(index) else { return }
        let sender = replicas[index].id
        for other in replicas.indices where other != index && addressed.to.map({ $0 == replicas[other].id }) ?? true {
            guard !isCutOff(other), isQuiet || !chance(1, of: 10) else { continue }
            for _ in 0..<(chance(1, of: 10) ? 2 : 1) {
                let longest: Int64 = isQuiet ? 50 : chance(1, of: 8) ? 20_000 : 400
                schedule(other, in: 0...longest, .message(addressed.message, from: sender))
            }
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

extension ReplicaBudgetState {
    /// What a replica reads when it renews its registration.
    struct View {
        var id: String
        var replicas: Set<String>
        var holder: String?
    }
}

extension ReplicaLife.Scheduled {
    var isWake: Bool { if case .wake = event { true } else { false } }
}
