import Exports

/// Where a ledger is.
public enum LedgerPlace: Sendable, Hashable {
    /// The path of an SQLite file.
    case file(String)
    /// The URI of a PostgreSQL database, without a password: libpq reads that from `PGPASSWORD`, `PGPASSFILE` or `~/.pgpass`
    /// (https://www.postgresql.org/docs/15/libpq-envars.html).
    case database(String)

    /// Reads what an operator writes: a URI that begins with `postgresql://` or `postgres://`, or a path.
    public init(_ text: String) {
        let isURI = text.hasPrefix("postgresql://") || text.hasPrefix("postgres://")
        self = isURI ? .database(text) : .file(text)
    }

    /// Checks the ledger. A gateway may work on it. Throws `StartupError` for `ledger` where there is no ledger of this version, and
    /// ``MaintenanceError`` where it cannot be read.
    public func check() throws -> [LedgerFinding] {
        switch self {
        case .file(let path): try SQLiteInspection.run(path) { try LedgerCheck(ledger: $0).run() }
        case .database(let uri): try PostgreSQLInspection.run(uri) { try LedgerCheck(ledger: $0).run() }
        }
    }

    fileprivate func openAsSource(_ random: Randomness) async throws -> any LedgerSource {
        switch self {
        case .file(let path): try SQLiteTables(source: path)
        case .database(let uri): try await PostgreSQLTables(uri, option: "--from", isSource: true, random)
        }
    }

    fileprivate func openAsTarget(_ random: Randomness) async throws -> any LedgerTarget {
        switch self {
        case .file(let path): try SQLiteTables(target: path)
        case .database(let uri): try await PostgreSQLTables(uri, option: "--to", isSource: false, random)
        }
    }
}

extension LedgerCopy {
    /// Opens both ledgers and copies one into the other like ``run(report:)``. They are closed afterwards. Blocks its thread.
    ///
    /// Throws `StartupError` for `--from` or `--to` where one of them cannot be opened, or a gateway works on it.
    ///
    /// - Parameters:
    ///   - random: Spreads attempts to connect.
    ///   - report: Called after each batch.
    public static func run(
        from source: LedgerPlace,
        to target: LedgerPlace,
        random: Randomness,
        report: (Step) throws -> Void = { _ in }
    ) async throws -> [Comparison] {
        let from = try await source.openAsSource(random)
        defer { from.close() }
        let to = try await target.openAsTarget(random)
        defer { to.close() }
        return try LedgerCopy(from: from, to: to).run(report: report)
    }
}
