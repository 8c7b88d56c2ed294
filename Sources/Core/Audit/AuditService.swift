public import Exports

/// What the HTTP API asks of the audit trail.
public protocol AuditService: Sendable {
    /// Tells of a request that was refused. Returns at once, and never fails: the rows are written soon, and of many denials only some.
    func denied(_ denial: AuditDenial)

    /// Stores that something was done which is no change of an export. Throws `unavailable` where that is not possible; what was done
    /// must not be answered then.
    func record(
        _ action: AuditAction,
        _ outcome: AuditOutcome,
        by origin: AuditOrigin,
        of exportID: ExportID?,
        _ details: [String: String?]
    ) async throws(GatewayError)

    /// One page of sealed rows, newest first by their times: those before `place` that match, at most `limit`. A page for which many rows
    /// that do not match were looked at may have fewer, and a `next` nevertheless.
    func rows(
        matching filter: AuditFilter,
        before place: AuditPlace?,
        limit: Int
    ) async throws(GatewayError) -> AuditPage

    /// One piece of the chain, in its order: the rows after number `sequence` that match, at most `limit`. A piece of which most rows
    /// do not match may have fewer, and a `next` nevertheless.
    func piece(
        after sequence: Int64,
        matching filter: AuditFilter,
        limit: Int
    ) async throws(GatewayError) -> AuditPiece
}

/// One page of rows, newest first.
public struct AuditPage: Sendable, Hashable {
    public var rows: [AuditRow]
    /// Where the next page begins; nil where there is none.
    public var next: AuditPlace?
    /// How many were left out because they cannot be read.
    public var unreadable: Int

    /// Makes a page.
    public init(rows: [AuditRow], next: AuditPlace?, unreadable: Int = 0) {
        (self.rows, self.next, self.unreadable) = (rows, next, unreadable)
    }
}

/// One piece of the chain.
public struct AuditPiece: Sendable, Hashable {
    public var rows: [AuditRow]
    /// The number after which the next piece begins; nil where the chain ends here.
    public var next: Int64?
    /// The numbers of rows of the piece that cannot be read, whether they match or not.
    public var unreadable: [Int64]

    /// Makes a piece.
    public init(rows: [AuditRow], next: Int64?, unreadable: [Int64] = []) {
        (self.rows, self.next, self.unreadable) = (rows, next, unreadable)
    }

    /// The lines of NDJSON, in the order of the chain: a row each, or what stands for one that cannot be read.
    public var lines: [[UInt8]] {
        let found = rows.map { ($0.sequence, $0.line) } + unreadable.map { ($0, AuditRow.unreadableLine($0)) }
        return found.sorted { $0.0 < $1.0 }.map(\.1)
    }
}

/// Where sealed rows and heads go besides the ledger.
public protocol AuditSink: Sendable {
    /// Takes rows, in the order of the chain. Returns at once.
    func take(_ rows: [AuditRow])

    /// Takes a head. Returns at once.
    func take(_ head: AuditHead)
}
