/// What a row of the audit trail is about.
public enum AuditAction: String, Sendable, Hashable, CaseIterable {
    /// An export was accepted.
    case create
    /// An export was asked to stop.
    case cancel
    /// It was decided whether an export whose start was unconfirmed had been started.
    case resolve
    /// A request was refused: nobody, or somebody without the permission.
    case deny
    /// A download ticket was made.
    case ticket
    /// A file was sent, or a part of one: how that ended.
    case download
    /// An export was purged.
    case purge
    /// An export is kept.
    case retain
    /// An export is not kept any more.
    case release
    /// The configuration was read again.
    case reload
    /// The rows from here on are sealed with another key. Also the first row of a chain.
    case keyChange
    /// The oldest rows are deleted, because of their age.
    case trim
    /// Rows were found among those to be sealed that the gateway did not write: they are not in the chain.
    case reject

    /// Whether the gateway writes it by itself while it seals.
    public var isOfChain: Bool {
        switch self {
        case .keyChange, .trim, .reject: true
        default: false
        }
    }
}

/// How an action ended.
public enum AuditOutcome: String, Sendable, Hashable, CaseIterable {
    case succeeded
    case failed
    /// It was refused.
    case refused
}
