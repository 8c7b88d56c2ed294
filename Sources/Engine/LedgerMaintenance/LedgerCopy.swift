import Exports
import SystemCrypto

/// Copies a ledger into another one, row by row, and compares both afterwards.
///
/// Rows are copied in the order of their keys, a batch in a transaction. A copy that was ended in any way goes on after the last key
/// of each table. Until everything is compared, the target holds a record because of which no gateway starts on it.
public struct LedgerCopy {
    /// How far the copy is.
    public enum Step: Sendable, Hashable, CustomStringConvertible {
        /// Rows of a table are in the target.
        case copied(table: String, rows: Int64, of: Int64)
        /// All rows are copied: indexes are made.
        case completing
        /// Rows of a table were read again on both sides, and are equal.
        case compared(table: String, rows: Int64, of: Int64)

        public var description: String {
            switch self {
            case .copied(let table, let rows, let total): "\(table): \(rows) of \(total) rows copied"
            case .completing: "all rows copied; making the indexes"
            case .compared(let table, let rows, let total): "\(table): \(rows) of \(total) rows compared"
            }
        }
    }

    /// A table after the comparison.
    public struct Comparison: Sendable, Hashable, CustomStringConvertible {
        public var table: String
        public var rows: Int64
        /// The SHA-256 of all rows in the order of their keys (``RowBatch``), in hexadecimal digits.
        public var sourceDigest: String
        public var targetDigest: String

        public var description: String {
            "\(table): \(rows) rows, sha256 \(sourceDigest) in the source, \(targetDigest) in the copy"
        }
    }

    let source: any LedgerSource
    let target: any LedgerTarget

    init(from source: any LedgerSource, to target: any LedgerTarget) {
        (self.source, self.target) = (source, target)
    }

    /// Copies, compares, and finishes the copy. Returns the digests, which are equal.
    ///
    /// Throws `StartupError` for `--to` where the target holds something else than the beginning of this copy, and
    /// ``MaintenanceError`` where a ledger fails, or where both are not equal afterwards. The copy is not finished then.
    ///
    /// - Parameter report: Called after each batch.
    func run(report: (Step) throws -> Void = { _ in }) throws -> [Comparison] {
        try begin()
        for table in LedgerTable.all { try copy(table, report) }
        try report(.completing)
        let numbers = try source.lastNumbers()
        try target.complete(numbers)
        let comparisons = try LedgerTable.all.map { try compare($0, report) }
        guard try target.lastNumbers() == numbers else {
            throw MaintenanceError("\(target.name): the numbers do not go on after \(numbers)")
        }
        try target.finish()
        return comparisons
    }

    private func begin() throws {
        let record = try CopyRecord(of: source)
        if let begun = try target.copyRecord() {
            guard begun.state == record.state else {
                throw StartupError(
                    "--to",
                    "\(target.name) holds the beginning of a copy of \(begun.source), whose rows are not those of \(source.name) now: "
                        + "it is another ledger, or it was used since. Remove what is there, and begin again."
                )
            }
            try target.resume()
            return
        }
        for table in LedgerTable.all where try target.lastKey(of: table) != nil {
            throw StartupError("--to", "\(target.name) is not empty: \(table.name) has rows. Give an empty ledger.")
        }
        try target.begin(record)
    }

    private func copy(_ table: LedgerTable, _ report: (Step) throws -> Void) throws {
        let total = try source.count(of: table)
        var last = try target.lastKey(of: table)
        var copied = last == nil ? 0 : try target.count(of: table)
        var batch = RowBatch()
        while true {
            try source.read(table, after: last, into: &batch)
            guard batch.count > 0 else { return }
            try target.insert(batch, into: table)
            last = batch.lastKey(in: table)
            copied += Int64(batch.count)
            try report(.copied(table: table.name, rows: copied, of: total))
        }
    }

    private func compare(_ table: LedgerTable, _ report: (Step) throws -> Void) throws -> Comparison {
        let total = try source.count(of: table)
        var (expected, found) = (RowBatch(), RowBatch())
        var sourceDigest = SHA256()
        var targetDigest = SHA256()
        var rows: Int64 = 0
        var last: RowKey?
        while true {
            // Equal rows fill a batch in the same way, so that equal tables give equal batches.
            try source.read(table, after: last, into: &expected)
            try target.read(table, after: last, into: &found)
            guard expected.hasSameRows(as: found) else {
                throw MaintenanceError(
                    "\(table.name) is not equal in \(source.name) and \(target.name): the first difference is at the key "
                        + "\(expected.firstDifference(from: found, in: table)). Was one of them changed meanwhile? Remove the copy, "
                        + "and begin again."
                )
            }
            guard expected.count > 0 else { break }
            expected.withBytes { sourceDigest.update($0) }
            found.withBytes { targetDigest.update($0) }
            last = expected.lastKey(in: table)
            rows += Int64(expected.count)
            try report(.compared(table: table.name, rows: rows, of: total))
        }
        guard rows == total else {
            throw MaintenanceError(
                "\(source.name): \(total - rows) rows of \(table.name) belong to exports that do not exist. "
                    + "`export-gateway ledger check` names them. Remove them and the copy, and begin again."
            )
        }
        return Comparison(
            table: table.name,
            rows: rows,
            sourceDigest: Hexadecimal.encode(sourceDigest.finalize()),
            targetDigest: Hexadecimal.encode(targetDigest.finalize())
        )
    }
}
