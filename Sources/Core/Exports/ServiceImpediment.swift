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
