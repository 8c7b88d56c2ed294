import ExportEngine
import ExportLedger
import Exports
import Logging
import Pacing
import ServiceLifecycle
import Synchronization

/// The request budgets of a gateway that runs as several replicas: tells each budget who leads it, and carries the messages
/// between the replicas' budgets.
///
/// A budget is led by the replica that holds its lease, whose name is in ``SharedBudgets/leaseNames``. Messages go out in the
/// order in which they came, several in one; see `BudgetMessage` for what becomes of a call when one is lost.
final class ReplicaBudgets: LeaseObserver, Service, CustomStringConvertible {
    /// The topic of the messages.
    static let topic = "budget"

    private struct Leases {
        var held: [String: HeldLease] = [:]
        /// The id that this replica had when it got a lease last.
        var ownID: String?
    }

    private let budgets: [String: CallBudget]
    private let send: @Sendable (_ to: String?, _ body: String) async throws -> Void
    private let logger: Logger
    private let leases = Mutex(Leases())
    private let outbox = BudgetOutbox()

    /// Shares budgets, by the names of their leases. Until the functions of `LeaseObserver` are called, no call of a budget with a
    /// limit has a place.
    ///
    /// - Parameter send: Sends a message with the topic `budget` to a replica, or with nil to all others. When it throws, the
    ///   message is lost.
    init(
        _ budgets: [String: CallBudget],
        logger: Logger,
        send: @escaping @Sendable (_ to: String?, _ body: String) async throws -> Void
    ) {
        self.budgets = budgets.filter { $0.value.budget != nil }
        self.logger = logger
        self.send = send
        for (lease, budget) in self.budgets { budget.share(through: BudgetLine(lease: lease, outbox: outbox)) }
    }

    var description: String { "shared budgets" }

    /// Sends the messages until the graceful shutdown, and then those that are left: a leader that ends tells what it has used. Must
    /// end after whatever frees the leases.
    func run() async throws {
        try await withThrowingDiscardingTaskGroup { group in
            for budget in budgets.values { group.addTask { await budget.serve() } }
            await cancelWhenGracefulShutdown {
                while !Task.isCancelled {
                    await self.outbox.wait()
                    await self.sendAll()
                }
            }
            await sendAll()
            group.cancelAll()
        }
    }

    /// Sends the messages that wait. One whose sending was cancelled waits on.
    private func sendAll() async {
        while let body = outbox.next() {
            do {
                try await send(body.to, body.text)
            } catch {
                guard !Task.isCancelled else { return }
                // While the ledger does not answer, there are many, and other lines say so.
                logger.debug(
                    "A message to other replicas about request budgets was lost",
                    metadata: ["error": "\(error)"]
                )
            }
            outbox.remove(body)
        }
    }

    // MARK: LeaseObserver

    func gained(_ lease: HeldLease) {
        leases.withLock { leases in
            leases.held[lease.name] = lease
            leases.ownID = lease.replica
        }
        budgets[lease.name]?.lead(epoch: lease.epoch)
    }

    func lost(_ lease: HeldLease) {
        let wasHeld = leases.withLock { leases in
            guard leases.held[lease.name] == lease else { return false }
            leases.held[lease.name] = nil
            return true
        }
        if wasHeld { budgets[lease.name]?.nobodyLeads() }
    }

    func isValid(until deadline: Duration) {
        for budget in budgets.values { budget.isValid(until: deadline) }
    }

    func sees(replicas: Set<String>, holders: [String: String]) {
        let leases = leases.withLock { $0 }
        for (name, budget) in budgets {
            budget.sees(replicas)
            guard leases.held[name] == nil else { continue }
            if let holder = holders[name], replicas.contains(holder), holder != leases.ownID {
                budget.follow(holder)
            } else {
                budget.nobodyLeads()
            }
        }
    }

    func received(_ message: ReplicaMessage) {
        guard message.topic == Self.topic else { return }
        for (lease, content) in BudgetWire.read(message.body) {
            budgets[lease]?.receive(content, from: message.from)
        }
    }
}
