public import ExportLedger

/// What the suite must be able to do with a kind of ledger.
public struct LedgerHarness: Sendable {
    /// A ledger with nothing in it. Each case has its own.
    public var makeLedger: @Sendable () async throws -> any ExportLedger
    /// The ledger as the next process finds it when this one is killed now. Nil where nothing outlives the process: the cases
    /// that need it are skipped.
    public var afterKill: (@Sendable (any ExportLedger) async throws -> any ExportLedger)?
    /// Has the storage take nothing more, as a full disk does, or as much as before. Nil where that cannot be arranged.
    public var setFull: (@Sendable (any ExportLedger, Bool) async throws -> Void)?
    /// Makes what is stored of the event with this number unreadable. Nil where that cannot be arranged.
    public var damageEvent: (@Sendable (any ExportLedger, Int64) async throws -> Void)?

    /// Makes a harness.
    public init(
        makeLedger: @escaping @Sendable () async throws -> any ExportLedger,
        afterKill: (@Sendable (any ExportLedger) async throws -> any ExportLedger)? = nil,
        setFull: (@Sendable (any ExportLedger, Bool) async throws -> Void)? = nil,
        damageEvent: (@Sendable (any ExportLedger, Int64) async throws -> Void)? = nil
    ) {
        self.makeLedger = makeLedger
        self.afterKill = afterKill
        self.setFull = setFull
        self.damageEvent = damageEvent
    }
}

/// One way in which a ledger breaks the contract.
public struct LedgerFinding: Sendable, Hashable, CustomStringConvertible {
    /// The name of the case.
    public var name: String
    /// What the contract asks for and the ledger did not do.
    public var expected: String

    public var description: String { "\(name): expected that \(expected)" }
}
