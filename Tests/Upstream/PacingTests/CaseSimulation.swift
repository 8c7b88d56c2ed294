import Exports
import Testing
import TestSupport
@testable import Pacing

/// 200 exports of one case at five calls a minute, while callers download: what the engine does, against an upstream that counts
/// any 60 seconds and receives calls late.
@Suite struct CaseSimulation {
    private struct Work {
        var at: Timestamp
        var call: PacedCall
    }

    private static let start = Timestamp(milliseconds: 1_780_000_000_000)

    @Test("fault C3: of 200 exports of one case, all are started, each list has its place, and nothing is refused")
    func aCase() {
        var random = SeededRandom(seed: 9)
        var state = BudgetState(RequestBudget(5, per: .seconds(60)))
        var work = (0..<200)
            .map { _ in
                Work(
                    at: Self.start,
                    call: PacedCall(
                        .start,
                        host: "graph",
                        caller: "legal",
                        work: .export(ExportID(at: Self.start, random: &random)),
                        patience: .seconds(5)
                    )
                )
            }
        let list = PacedCall(
            .poll,
            host: "graph",
            caller: "legal",
            work: .polls(of: "purview", ProviderID("graph-ediscovery")),
            patience: .seconds(5)
        )
        let download = PacedCall(.caller, host: "graph", caller: "auditor", patience: .seconds(30))
        work += [Work(at: Self.start + .seconds(5), call: list), Work(at: Self.start + .seconds(20), call: download)]
        var waiting: [UInt64: PacedCall] = [:]
        var underWay: [(place: UInt64, answeredAt: Timestamp)] = []
        var received: [Int64] = []
        var lists: [Timestamp] = []
        var (started, downloads, refusedDownloads, now) = (0, 0, 0, Self.start)

        while started < 200, now < Self.start + .seconds(4 * 3600) {
            for call in underWay where call.answeredAt <= now { state.answered(call.place, at: now) }
            underWay.removeAll { $0.answeredAt <= now }
            state.settle(at: now)
            for item in work where item.at <= now { waiting[state.ask(item.call, at: now)] = item.call }
            work.removeAll { $0.at <= now }
            for ticket in waiting.keys.sorted() {
                guard let outcome = state.outcome(of: ticket), let call = waiting.removeValue(forKey: ticket) else {
                    continue
                }
                switch outcome {
                case .admitted(let place):
                    state.sending(place, at: now)
                    let onItsWay = Int64.random(in: 20...2000, using: &random)
                    received.append(now.milliseconds + onItsWay)
                    underWay.append(
                        (place, now + .milliseconds(onItsWay + Int64.random(in: 20...4000, using: &random)))
                    )
                    switch call.priority {
                    case .start: started += 1
                    case .poll:
                        lists.append(now)
                        work.append(Work(at: now + .seconds(60), call: list))
                    case .caller:
                        downloads += 1
                        work.append(Work(at: now + .seconds(40), call: download))
                    }
                case .queued(_, let wait):
                    if call.priority == .caller { refusedDownloads += 1 }
                    work.append(Work(at: now + wait, call: call))
                case .held: Issue.record("nothing was held")
                }
            }
            let next = [
                work.map(\.at).min(), underWay.map(\.answeredAt).min(), state.nextChange(at: now).map { now + $0 },
            ]
            now = max(now + .milliseconds(1), next.compactMap { $0 }.min() ?? now + .seconds(1))
        }
        let sorted = received.sorted()
        let tooMany = sorted.indices.filter { $0 >= 5 && sorted[$0] - sorted[$0 - 5] < 60_000 }
        let gaps = zip(lists.dropFirst(), lists).map { $0 - $1 }
        #expect(started == 200)
        #expect(tooMany.isEmpty, "calls that the upstream refuses")
        // A list is due a minute after the last one. Then three starts go before it, and a call may be under way: five places.
        #expect((gaps.max() ?? .zero) <= .seconds(60 + 5 * 13), "\(gaps.max() ?? .zero)")
        #expect(refusedDownloads == 0)
        // Nothing of the budget was left: five a minute, less what is on its way.
        let minutes = Double((now - Self.start).milliseconds) / 60_000
        #expect(Double(received.count) / minutes > 4.4, "\(received.count) calls in \(minutes) minutes")
    }
}
