import ExportLedger
import Exports
import Synchronization

/// The conformance suite that every implementation of `ExportLedger` must pass.
///
///     let findings = await LedgerConformance(harness).run()
///     #expect(findings == [])
public struct LedgerConformance: Sendable {
    private let harness: LedgerHarness

    /// Makes the suite for one kind of ledger.
    public init(_ harness: LedgerHarness) {
        self.harness = harness
    }

    static let cases: [LedgerCase] =
        LedgerCase.creations + LedgerCase.limitedCreations + LedgerCase.records + LedgerCase.updatesInMemory
        + LedgerCase.owners + LedgerCase.jobs + LedgerCase.unfinished + LedgerCase.lists
        + LedgerCase.expiries + LedgerCase.deliveries + LedgerCase.measurements + LedgerCase.refreshTokens
        + LedgerCase.durability + LedgerCase.events
        + LedgerCase.webhooks + LedgerCase.messages + LedgerCase.messageClaims + LedgerCase.givenUp
        + LedgerCase.undelivered + LedgerCase.purges + LedgerCase.retention + LedgerCase.audit
        + LedgerCase.auditFaults

    /// The names of the cases that can run with this harness.
    public var names: [String] { possible.map(\.name) }

    private var possible: [LedgerCase] {
        Self.cases.filter { one in
            switch one.needs {
            case .nothing: true
            case .kill: harness.afterKill != nil
            case .fullDisk: harness.setFull != nil
            case .damage: harness.damage != nil
            }
        }
    }

    /// Runs every possible case on a ledger of its own, one after the other, and returns all findings. No finding means that the
    /// ledger keeps its contract. With a `name`, only the case with this name is run; an unknown name is a finding.
    public func run(only name: String? = nil) async -> [LedgerFinding] {
        var findings: [LedgerFinding] = []
        let chosen = possible.filter { $0.name == name ?? $0.name }
        if let name, chosen.isEmpty { return [LedgerFinding(name: name, expected: "there is a case of this name")] }
        for one in chosen {
            let found = Mutex<[String]>([])
            do {
                let ledger = try await harness.makeLedger()
                let examination = LedgerExamination(ledger: ledger, harness: harness) { text in
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
struct LedgerCase: Sendable {
    enum Need: Sendable { case nothing, kill, fullDisk, damage }

    var name: String
    var needs = Need.nothing
    var examine: @Sendable (LedgerExamination) async throws -> Void

    init(
        _ name: String,
        needs: Need = .nothing,
        _ examine: @escaping @Sendable (LedgerExamination) async throws -> Void
    ) {
        self.name = name
        self.needs = needs
        self.examine = examine
    }
}

/// The examination of one ledger.
struct LedgerExamination: Sendable {
    let ledger: any ExaminedLedger
    let harness: LedgerHarness
    let report: @Sendable (String) -> Void

    /// Reports `expectation` where it does not hold.
    func expect(_ holds: Bool, _ expectation: String) { if !holds { report(expectation) } }

    /// Reports `expectation` where `body` does not throw what is `isExpected`.
    func expectError(
        _ expectation: String,
        _ isExpected: (any Error) -> Bool = { $0 is LedgerError },
        _ body: () async throws -> Void
    ) async {
        do {
            try await body()
            report(expectation)
        } catch {
            expect(isExpected(error), "\(expectation), but: \(error)")
        }
    }

    /// The ledger after a kill.
    func killed() async throws -> any ExaminedLedger { try await harness.afterKill?(ledger) ?? ledger }
    func setFull(_ isFull: Bool) async throws { try await harness.setFull?(ledger, isFull) }
    func damage(_ row: DamagedRow) async throws { try await harness.damage?(ledger, row.statement) }
}

/// A row that a case makes unreadable.
enum DamagedRow {
    case event(Int64)
    case message(String)
    case webhook(ExportID)
    case auditEntry(ExportID)

    var statement: String {
        switch self {
        case .event(let number): "UPDATE export_event SET status = '?' WHERE sequence = \(number)"
        case .message(let id): "UPDATE webhook_message SET type = '?' WHERE id = '\(id)'"
        case .webhook(let id): "UPDATE webhook SET types = '?' WHERE id = '\(id)'"
        case .auditEntry(let id): "UPDATE audit_pending SET action = '?' WHERE id = '\(id)'"
        }
    }
}
