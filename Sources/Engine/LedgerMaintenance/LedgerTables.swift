/// The tables of a ledger. Calls block, and are made on one thread. They throw ``MaintenanceError``.
protocol LedgerTables: AnyObject {
    /// What is shown to the operator. Holds no password.
    var name: String { get }

    func count(of table: LedgerTable) throws -> Int64

    /// Replaces the batch by the rows after a key, in the order of the key: text by its bytes. Empty where there are no more.
    func read(_ table: LedgerTable, after key: RowKey?, into batch: inout RowBatch) throws

    /// The numbers that were given out last.
    func lastNumbers() throws -> LastNumbers
}

/// The last numbers that were ever given out; 0 where there was none. Rows with higher numbers than those of the tables may have been
/// deleted: the numbers never come again.
struct LastNumbers: Sendable, Hashable, CustomStringConvertible {
    /// Of a published change.
    var change: Int64
    /// Of a webhook's message.
    var message: Int64
    /// Of an entry of the audit trail that waits to be sealed.
    var entry: Int64

    var description: String { "last change \(change), last message \(message), last audit entry \(entry)" }
}

/// A ledger that is copied. No gateway works on it while this object lives.
protocol LedgerSource: LedgerTables {
    /// Closes the ledger, so that a gateway can have it.
    func close()
}

/// A ledger that can be the target of a copy. No gateway works on it while this object lives.
protocol LedgerTarget: LedgerSource {
    /// The copy that was begun and is not finished. A gateway refuses a ledger with such a record.
    func copyRecord() throws -> CopyRecord?

    /// Stores the record, and prepares the empty tables for many insertions.
    func begin(_ record: CopyRecord) throws

    /// Prepares the tables for further insertions, when a copy goes on.
    func resume() throws

    /// Stores rows, in one transaction. They come after all rows of the table.
    func insert(_ batch: RowBatch, into table: LedgerTable) throws

    /// The key of the last row; nil where there is none.
    func lastKey(of table: LedgerTable) throws -> RowKey?

    /// Sets what `lastNumbers()` are, and makes what is missing in the schema. May be called again.
    func complete(_ last: LastNumbers) throws

    /// Removes the record, and forces everything to the disk: a gateway can start now.
    func finish() throws
}

/// What is stored in the target of a copy that is not finished.
struct CopyRecord: Sendable, Hashable {
    /// The name of the source, for the operator.
    var source: String
    /// What tells one state of a source from another, and from other ledgers: how many rows its tables have, the last numbers.
    var state: String

    init(source: String, state: String) {
        (self.source, self.state) = (source, state)
    }

    init(of source: any LedgerTables) throws {
        var parts = try LedgerTable.all.map { "\($0.name) \(try source.count(of: $0))" }
        parts.append("\(try source.lastNumbers())")
        self.init(source: source.name, state: parts.joined(separator: ", "))
    }
}

/// Why a copy, a check or a backup ended. The text is for the operator, and holds no value of a row but its key.
public struct MaintenanceError: Error, Sendable, CustomStringConvertible {
    public var description: String

    init(_ description: String) { self.description = description }
}
