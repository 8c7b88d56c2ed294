import CoreMetrics
import ExportLedger
import Exports
import Logging
import ManualClock
import Pacing
import Synchronization
import Testing
import TestSupport

@testable import GatewayServer

/// Three replicas whose messages arrive at once.
private final class Bus: Sendable {
    private let members = Mutex<[String: ReplicaBudgets]>([:])

    func add(_ id: String, _ budgets: ReplicaBudgets) { members.withLock { $0[id] = budgets } }

    func send(from: String, to: String?, _ body: String) {
        for (id, budgets) in members.withLock({ $0 }) where id != from && to.map({ $0 == id }) ?? true {
            budgets.received(ReplicaMessage(from: from, to: to, topic: ReplicaBudgets.topic, body: body))
        }
    }
}

@Suite struct ReplicaBudgetsTests {
    private static let lease = "power-bi connection bi"
    private let time = ManualTime()
    private let bus = Bus()
    private let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

    private struct Replica {
        var id: String
        var budget: CallBudget
        var budgets: ReplicaBudgets

        func holds(epoch: Int64) -> HeldLease { HeldLease(name: lease, replica: id, epoch: epoch) }
    }

    private func replica(_ id: String, _ count: Int) -> Replica {
        let budget = CallBudget(
            RequestBudget(count, per: .seconds(60)),
            name: "bi",
            time: time,
            metrics: NOOPMetricsHandler.instance
        )
        let budgets = ReplicaBudgets([Self.lease: budget], logger: logger) { [bus] to, body in
            bus.send(from: id, to: to, body)
        }
        bus.add(id, budgets)
        return Replica(id: id, budget: budget, budgets: budgets)
    }

    /// Runs `body` with replicas `a`, `b` and `c`, of which `a` leads.
    private func withReplicas(_ count: Int, _ body: ([Replica]) async throws -> Void) async throws {
        let replicas = ["a", "b", "c"].map { replica($0, count) }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for replica in replicas { group.addTask { try? await replica.budgets.run() } }
            renew(replicas)
            replicas[0].budgets.gained(replicas[0].holds(epoch: 1))
            see(replicas, holder: "a")
            try await body(replicas)
            group.cancelAll()
        }
    }

    private func renew(_ replicas: [Replica]) {
        for replica in replicas { replica.budgets.isValid(until: time.elapsed() + .seconds(10)) }
    }

    private func see(_ replicas: [Replica], holder: String?) {
        let holders = holder.map { [Self.lease: $0] } ?? [:]
        for replica in replicas {
            replica.budgets.sees(replicas: Set(replicas.map(\.id)), holders: holders)
        }
    }

    private func call(_ priority: CallPriority = .caller, patience: Duration = .seconds(2)) -> PacedCall {
        PacedCall(priority, host: "h", caller: "c", patience: patience)
    }

    @Test("fault C1: the calls of all replicas have places of the one that leads")
    func placesAreCountedInOnePlace() async throws {
        try await withReplicas(2) { replicas in
            let first = try await replicas[1].budget.place(for: call())
            let second = try await replicas[2].budget.place(for: call())
            #expect(replicas[0].budget.usage.used == 2)
            await #expect(throws: CallBudget.Refusal.self) { try await replicas[0].budget.place(for: call()) }
            await #expect(throws: CallBudget.Refusal.self) { try await replicas[1].budget.place(for: call()) }
            #expect(replicas[1].budget.sending(first))
            replicas[1].budget.answered(first)
            replicas[2].budget.giveBack(second)
            try await eventually { replicas[0].budget.usage.used == 1 }
            replicas[0].budget.answered(try await replicas[0].budget.place(for: call()))
        }
    }

    @Test func whileNobodyLeadsCallsAreRefusedWhenTheirPatienceEnds() async throws {
        try await withReplicas(2) { replicas in
            replicas[0].budgets.lost(replicas[0].holds(epoch: 1))
            see(replicas, holder: nil)
            let waiting = replicas.map { replica in Task { try await replica.budget.place(for: call()) } }
            try await eventually { replicas.allSatisfy { $0.budget.usage.queueLength[.caller] == 1 } }
            time.advance(by: .seconds(2))
            for task in waiting {
                guard case .failure(let error as CallBudget.Refusal) = await task.result, case .queued = error else {
                    Issue.record("a call was not refused")
                    continue
                }
            }
        }
    }

    /// A call that waits with one leader waits on with the next one, and the next one knows what the former one gave.
    @Test func aCallWaitsOnWithTheNextLeader() async throws {
        try await withReplicas(1) { replicas in
            replicas[0].budget.answered(try await replicas[0].budget.place(for: call()))
            let waiting = Task { try await replicas[2].budget.place(for: call(patience: .seconds(300))) }
            try await eventually { replicas[0].budget.usage.queueLength[.caller] == 1 }
            replicas[0].budgets.lost(replicas[0].holds(epoch: 1))
            see(replicas, holder: nil)
            replicas[1].budgets.gained(replicas[1].holds(epoch: 2))
            see(replicas, holder: "b")
            try await eventually { replicas[1].budget.usage.queueLength[.caller] == 1 }
            // Without the former leader's word it would be 71 seconds.
            for _ in 0..<60 {
                time.advance(by: .seconds(1))
                renew(replicas)
            }
            #expect(replicas[1].budget.usage.used == 1)
            await time.pauses(atLeast: 1)
            time.advance(by: .seconds(1))
            renew(replicas)
            let place = try await waiting.value
            #expect(replicas[2].budget.sending(place))
            #expect(replicas[1].budget.usage.used == 1)
        }
    }

    @Test func aBudgetWithoutALimitAsksNobody() async throws {
        let budget = CallBudget(nil, name: "b", time: time, metrics: NOOPMetricsHandler.instance)
        let budgets = ReplicaBudgets([Self.lease: budget], logger: logger) { _, _ in
            Issue.record("a message was sent")
        }
        budgets.sees(replicas: ["a", "b"], holders: [Self.lease: "b"])
        let place = try await budget.place(for: call())
        budget.throttled(place)
        budget.hold("h", for: .seconds(1))
        budget.answered(place)
        budget.remove(.polls(of: "bi", ProviderID("power-bi")))
    }
}
