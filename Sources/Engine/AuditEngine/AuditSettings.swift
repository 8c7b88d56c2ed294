public import Audit

/// The limits and intervals of the audit trail.
public struct AuditSettings: Sendable, Hashable {
    /// The longest time between the commit of an entry and its sealing, while the ledger works.
    public var interval = Duration.milliseconds(500)
    /// So many entries are sealed in one transaction.
    public var batch = 200
    /// The time between two heads that are told outside; nil: none are told but the last one of the process.
    public var headInterval: Duration? = .seconds(300)
    public var denials = DenialWindow.Limits()
    /// Entries about denials that wait for the ledger. Further ones are lost, and counted.
    public var denialQueue = 2_000
    /// How many rows one piece of the chain looks at, whether they match or not.
    public var pieceRows = 5_000
    /// How often the entries that are not sealed are counted.
    public var backlogInterval = Duration.seconds(5)

    /// The usual settings.
    public init() {}
}
