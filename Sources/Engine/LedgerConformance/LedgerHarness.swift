public import ExportLedger

/// A ledger with everything that it stores.
public typealias ExaminedLedger = ExportLedger & WebhookStore & AuditStore

/// What the suite needs to examine an implementation of a ledger.
public struct LedgerHarness: Sendable {
    /// Makes an empty ledger. Each case gets its own.
    public var makeLedger: @Sendable () async throws -> any ExaminedLedger
    /// Returns the ledger as the next process finds it when this one is killed now. Nil where nothing outlives the process; the
    /// cases that need it are then skipped.
    public var afterKill: (@Sendable (any ExaminedLedger) async throws -> any ExaminedLedger)?
    /// Makes the storage refuse writes, like a full disk, or accept them again. Nil where this is not possible.
    public var setFull: (@Sendable (any ExaminedLedger, Bool) async throws -> Void)?
    /// Runs a statement that makes a stored row unreadable. Nil where this is not possible.
    public var damage: (@Sendable (any ExaminedLedger, _ statement: String) async throws -> Void)?

    /// Makes a harness.
    public init(
        makeLedger: @escaping @Sendable () async throws -> any ExaminedLedger,
        afterKill: (@Sendable (any ExaminedLedger) async throws -> any ExaminedLedger)? = nil,
        setFull: (@Sendable (any ExaminedLedger, Bool) async throws -> Void)? = nil,
        damage: (@Sendable (any ExaminedLedger, _ statement: String) async throws -> Void)? = nil
    ) {
        self.makeLedger = makeLedger
        self.afterKill = afterKill
        self.setFull = setFull
        self.damage = damage
    }
}

/// One way in which a ledger breaks the contract.
public struct LedgerFinding: Sendable, Hashable, CustomStringConvertible {
    /// The name of the case.
    public var name: String
    /// What the contract requires and the ledger did not do.
    public var expected: String

    public var description: String { "\(name): expected that \(expected)" }
}
