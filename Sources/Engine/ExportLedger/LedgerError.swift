public import Exports

/// The storage failed. For the operator: its description must not reach a client.
public struct LedgerError: Error, CustomStringConvertible {
    /// The kinds of failure; the raw value is fit for a metric's dimension.
    public enum Code: String, Sendable {
        /// The storage cannot be read or written now.
        case unavailable
        /// What is stored cannot be understood.
        case corrupt
        /// The storage can be read, and takes no writes; ``impediment`` says why.
        case unwritable
    }

    public var code: Code
    public var detail: String
    public var cause: (any Error)?
    /// Why nothing can be written.
    public var impediment: ServiceImpediment?
    /// Whose the export is whose row cannot be read, where that much can be; with `corrupt` only.
    public var owner: String?
    /// The row that cannot be read.
    var row: UnreadableRow?
    /// The column that cannot be read.
    var column: String?

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
    public var isAboutOneExport: Bool { code == .corrupt && owner != nil }
}
