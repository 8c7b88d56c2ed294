public import Exports

/// A failure of the storage. It is for the operator: its description must not reach a client.
public struct LedgerError: Error, CustomStringConvertible {
    /// The kinds of failure. The raw value may be a metric's label.
    public enum Code: String, Sendable {
        /// The storage cannot be read or written now.
        case unavailable
        /// A stored value cannot be read.
        case corrupt
        /// The storage can be read but not written; ``impediment`` says why.
        case unwritable
    }

    public var code: Code
    public var detail: String
    public var cause: (any Error)?
    /// Why nothing can be written.
    public var impediment: ServiceImpediment?
    /// The owner of the export or webhook whose row cannot be read, if at least the owner can be read. Only with `corrupt`.
    public var owner: String?
    /// The row that cannot be read.
    package var row: UnreadableRow?
    /// The column that cannot be read.
    package var column: String?

    /// Makes an error.
    public init(
        _ code: Code,
        _ detail: String,
        cause: (any Error)? = nil,
        impediment: ServiceImpediment? = nil,
        owner: String? = nil
    ) {
        self.code = code
        self.detail = detail
        self.cause = cause
        self.impediment = impediment
        self.owner = owner
    }

    public var description: String { "ledger \(code.rawValue): \(detail)" }

    /// Whether one export's row cannot be read: the ledger has set it aside, and everything else goes on.
    public var isAboutOneExport: Bool { code == .corrupt && owner != nil && !isAboutOneWebhook }

    /// Whether one webhook's row cannot be read: everything else goes on, and it can be deleted.
    public var isAboutOneWebhook: Bool { code == .corrupt && row?.table == .webhook }
}
