public import ExportLedger
import Synchronization

/// A ledger of several replicas with everything that it stores.
public typealias ExaminedReplica = ReplicatedLedger & WebhookStore

/// What the suite needs to examine a ledger that several replicas share.
public struct ReplicationHarness: Sendable {
    /// Makes so many ledgers on one empty storage, each as another process would open it.
    public var makeLedgers: @Sendable (Int) async throws -> [any ExaminedReplica]
    /// Lets a ledger's registration expire, as the storage's clock would.
    public var expire: @Sendable (any ExaminedReplica) async throws -> Void
    /// Cuts the connection by which a ledger gets notifications. Nil where this is not possible.
    public var loseNotifications: (@Sendable (any ExaminedReplica) async throws -> Void)?

    /// Makes a harness.
    public init(
        makeLedgers: @escaping @Sendable (Int) async throws -> [any ExaminedReplica],
        expire: @escaping @Sendable (any ExaminedReplica) async throws -> Void,
        loseNotifications: (@Sendable (any ExaminedReplica) async throws -> Void)? = nil
    ) {
        self.makeLedgers = makeLedgers
        self.expire = expire
        self.loseNotifications = loseNotifications
    }
}

/// The conformance suite that every implementation of `ReplicatedLedger` must pass, besides ``LedgerConformance``.
public struct ReplicationConformance: Sendable {
    private let harness: ReplicationHarness

    /// Makes the suite for one kind of ledger.
    public init(_ harness: ReplicationHarness) {
        self.harness = harness
    }

    static let cases: [ReplicationCase] =
        ReplicationCase.registrations + ReplicationCase.leases + ReplicationCase.fences + ReplicationCase.takeOvers
        + ReplicationCase.changes + ReplicationCase.shared + ReplicationCase.messageClaims

    /// The names of the cases that can run with this harness.
    public var names: [String] { possible.map(\.name) }

    private var possible: [ReplicationCase] {
        Self.cases.filter { !$0.needsLoss || harness.loseNotifications != nil }
    }

    /// Runs every possible case on ledgers of its own, one after the other, and returns all findings. With a `name`, only the case
    /// with this name is run; an unknown name is a finding.
    public func run(only name: String? = nil) async -> [LedgerFinding] {
        var findings: [LedgerFinding] = []
        let chosen = possible.filter { $0.name == name ?? $0.name }
        if let name, chosen.isEmpty { return [LedgerFinding(name: name, expected: "there is a case of this name")] }
        for one in chosen {
            let found = Mutex<[String]>([])
            do {
                let ledgers = try await harness.makeLedgers(one.count)
                let examination = ReplicationExamination(ledgers: ledgers, harness: harness) { text in
                    found.withLock { $0.append(text) }
                }
                try await one.examine(examination)
            } catch {
                found.withLock { $0.append("the case can be carried out, but: \(error)") }
            }
            findings += found.withLock { $0 }.map { LedgerFinding(name: one.name, expected: $0) }
        }
        return findings
    }
}

/// One case of the suite.
struct ReplicationCase: Sendable {
    var name: String
    /// How many ledgers it needs.
    var count: Int
    var needsLoss: Bool
    var examine: @Sendable (ReplicationExamination) async throws -> Void

    init(
        _ name: String,
        ledgers count: Int = 2,
        needsLoss: Bool = false,
        _ examine: @escaping @Sendable (ReplicationExamination) async throws -> Void
    ) {
        self.name = name
        self.count = count
        self.needsLoss = needsLoss
        self.examine = examine
    }
}

/// The examination of ledgers on one storage.
struct ReplicationExamination: Sendable {
    let ledgers: [any ExaminedReplica]
    let harness: ReplicationHarness
    let report: @Sendable (String) -> Void

    /// Reports `expectation` where it does not hold.
    func expect(_ holds: Bool, _ expectation: String) { if !holds { report(expectation) } }

    func expire(_ ledger: any ExaminedReplica) async throws { try await harness.expire(ledger) }
}
