import Exports

/// Records that were read to be updated and whose rows nothing has written since. Decides which updates need no transaction.
///
/// A write of a group counts from the moment in which it has read its row, to the end of the group: what it will write is not
/// known before that. Writes are counted for groups of ids, so that the counters are bounded: a write of one export may prevent
/// that another one is kept, but a write is never overlooked.
struct RecentRecords: Sendable {
    /// The most records that are kept. The oldest is dropped for a new one: its update needs a transaction then.
    static let limit = 1024

    /// The most files of a record that is kept, so that the memory is bounded.
    static let mostFiles = 100

    /// A record as it is now.
    struct Found: Sendable {
        /// The progress in its row.
        var stored: UnwrittenProgress.Values
        /// With the progress that is not written.
        var record: LedgerRecord
        fileprivate var number: UInt64
    }

    private var found: [ExportID: Found] = [:]
    /// The ids in the order in which they were kept, in a ring. An id whose record was dropped stays until it is overwritten.
    private var ring: [(id: ExportID, number: UInt64)] = []
    private var oldest = 0
    private var lastNumber: UInt64 = 0
    /// Exports whose rows were read by writes of the present group.
    private var beingWritten: Set<ExportID> = []
    private var writes = [UInt32](repeating: 0, count: 4096)

    /// What `keep` needs to know of the time before the read; nil while the row may be written.
    func mark(of id: ExportID) -> UInt32? { beingWritten.contains(id) ? nil : writes[place(of: id)] }

    /// Keeps a record, unless its row may have been written since `mark`. That must have been taken before the transaction began
    /// that read the record. One with many files is not kept.
    mutating func keep(_ record: LedgerRecord, stored: UnwrittenProgress.Values, since mark: UInt32) {
        let id = record.export.id
        guard self.mark(of: id) == mark, record.export.files.count <= Self.mostFiles else { return }
        lastNumber += 1
        if ring.count < Self.limit {
            ring.append((id, lastNumber))
        } else {
            let (dropped, number) = ring[oldest]
            if found[dropped]?.number == number { found[dropped] = nil }
            ring[oldest] = (id, lastNumber)
            oldest = (oldest + 1) % Self.limit
        }
        found[id] = Found(stored: stored, record: record, number: lastNumber)
    }

    func find(_ id: ExportID) -> Found? { found[id] }

    /// Takes a record away, to update it. False where it is not the present one any more.
    mutating func take(_ known: Found) -> Bool {
        let id = known.record.export.id
        guard found[id]?.number == known.number else { return false }
        found[id] = nil
        // Whoever reads the record at this moment has the state before the update.
        writes[place(of: id)] &+= 1
        return true
    }

    /// A write of the present group has read the row of an export.
    mutating func willWrite(_ id: ExportID) {
        beingWritten.insert(id)
        found[id] = nil
    }

    /// The present group has been committed or undone.
    mutating func groupEnds() {
        for id in beingWritten { writes[place(of: id)] &+= 1 }
        beingWritten.removeAll(keepingCapacity: true)
    }

    private func place(of id: ExportID) -> Int { Int(UInt(bitPattern: id.hashValue) % UInt(writes.count)) }
}
