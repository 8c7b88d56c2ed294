/// Why the gateway cannot accept new exports while everything else works: it is degraded, not down.
///
/// The raw value is stable: it is in `/readyz`, in the problem of a refused create, and in the label of a metric.
public enum ServiceImpediment: String, Sendable, Hashable, CaseIterable {
    /// The ledger's disk is full.
    case diskFull = "ledger-disk-full"
    /// The ledger's file, or its write-ahead log, is not at its path any more: what is written is lost when the process ends.
    case fileRemoved = "ledger-file-removed"
    /// The ledger, or its disk, is read-only.
    case readOnly = "ledger-read-only"
    /// The ledger cannot be written for another reason.
    case writeFailed = "ledger-write-failed"

    /// The cause, as a sentence for clients.
    public var detail: String {
        switch self {
        case .diskFull: "The disk that holds the gateway's ledger is full."
        case .fileRemoved: "The file of the gateway's ledger was removed or replaced."
        case .readOnly: "The gateway's ledger can only be read."
        case .writeFailed: "The gateway's ledger cannot be written."
        }
    }
}

/// Why the gateway is not ready, or only degraded.
public enum ReadinessReason: Sendable, Hashable {
    case startingOrStopping
    case ledgerUnreadable
    case impediment(ServiceImpediment)

    /// Stable, as `/readyz` has it.
    public var code: String {
        switch self {
        case .startingOrStopping: "starting-or-stopping"
        case .ledgerUnreadable: "ledger-unreadable"
        case .impediment(let impediment): impediment.rawValue
        }
    }

    /// The reason, as a sentence for clients.
    public var detail: String {
        switch self {
        case .startingOrStopping: "The gateway is starting or shutting down."
        case .ledgerUnreadable: "The gateway cannot reach its ledger."
        case .impediment(let impediment): impediment.detail
        }
    }
}
