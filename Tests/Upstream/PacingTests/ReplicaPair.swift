import Exports

@testable import Pacing

/// A leader and a replica that follows it, whose messages arrive at once. Both clocks show `now`.
struct ReplicaPair {
    var leader: ReplicaBudgetState
    var follower: ReplicaBudgetState
    var now = start
    /// What has gone over, for the other.
    var sent: [BudgetMessage] = []
    /// Messages that match are lost.
    var loses: (BudgetMessage) -> Bool = { _ in false }

    init(_ count: Int, epoch: Int64 = 1) {
        leader = ReplicaBudgetState(RequestBudget(count, per: .seconds(60)))
        follower = ReplicaBudgetState(RequestBudget(count, per: .seconds(60)))
        leader.share()
        follower.share()
        renew()
        leader.lead(epoch: epoch, at: now)
        follower.follow("leader", at: now)
        deliver()
    }

    mutating func renew() {
        leader.isValid(until: now + .seconds(10), at: now)
        follower.isValid(until: now + .seconds(10), at: now)
    }

    mutating func deliver() {
        while true {
            let messages = (leader.takeOutbox(), follower.takeOutbox())
            guard !messages.0.isEmpty || !messages.1.isEmpty else { return }
            for message in messages.0.map(\.message) where !loses(message) {
                sent.append(message)
                follower.receive(message, from: "leader", at: now)
            }
            for message in messages.1.map(\.message) where !loses(message) {
                sent.append(message)
                leader.receive(message, from: "follower", at: now)
            }
        }
    }

    /// Moves both on, in steps of a second, with their renewals.
    mutating func advance(by seconds: Int) {
        for _ in 0..<seconds {
            now = now + .seconds(1)
            renew()
            leader.settle(at: now)
            follower.settle(at: now)
            deliver()
        }
    }

    /// A call of the follower asks, and takes the answer that is there at once.
    mutating func ask(_ call: PacedCall) -> (ticket: UInt64, outcome: ReplicaBudgetState.Outcome?) {
        let ticket = follower.ask(call, at: now)
        deliver()
        return (ticket, follower.outcome(of: ticket))
    }
}

extension ReplicaBudgetState.Outcome {
    var place: ReplicaBudgetState.Place? { if case .admitted(let place) = self { place } else { nil } }
    var isQueued: Bool { if case .queued = self { true } else { false } }
}
