import ExportLedger
import Exports
import PostgreSQL

/// How many exports the callers of a group have created, for those with a limit.
///
/// Creations of one caller come one after the other, over all replicas: a lock of the transaction's is held from the count to the
/// commit (https://www.postgresql.org/docs/15/explicit-locking.html#ADVISORY-LOCKS). It is taken before those of keys, exports and
/// webhooks, in the order of the callers, so that no two transactions wait for each other.
struct CreationCounts {
    private struct Count {
        var number: Int64
        /// The id of the oldest that counts.
        var oldest: String?
    }

    private var counts: [String: Count] = [:]
    /// The exports that were refused, each with the id of the oldest that counted. Their keys may be asked for by later writes.
    private var refused: [String: String] = [:]

    /// Nobody has a limit.
    init() {}

    /// The counts, from what the queries returned.
    init(_ needs: [WriteNeeds], _ answers: some Sequence<SQLRows>) {
        var answers = answers.makeIterator()
        for (caller, _) in Self.callers(needs) {
            _ = answers.next()
            guard let row = answers.next()?.first else { continue }
            counts[caller] = Count(number: row[0], oldest: row.text(1))
        }
    }

    /// Takes a place for one more export. Returns the id of the oldest that counts, where there is none.
    mutating func takePlace(for export: Export, of limit: CreationLimit) -> String? {
        let count = counts[export.createdBy] ?? Count(number: 0)
        guard count.number < Int64(limit.count) else {
            let oldest = count.oldest ?? ""
            refused[export.id.description] = oldest
            return oldest
        }
        counts[export.createdBy] = Count(number: count.number + 1, oldest: count.oldest)
        return nil
    }

    /// The id of the oldest that counted, where this export was refused.
    func refusal(of id: String) -> String? { refused[id] }

    /// Locks and counts: two queries for each caller with a limit.
    static func queries(_ needs: [WriteNeeds]) -> [SQLQuery] {
        callers(needs)
            .flatMap { caller, least in
                [SQLQuery(lock, [.text(caller)]), SQLQuery(count, [.text(least), .text(caller)])]
            }
    }

    /// The callers in their order, each with the least id that counts.
    private static func callers(_ needs: [WriteNeeds]) -> [(caller: String, least: String)] {
        var least: [String: String] = [:]
        for creation in needs.compactMap(\.limitedCreation) {
            let id = creation.limit.leastID
            least[creation.caller] = min(least[creation.caller] ?? id, id)
        }
        return least.map { (caller: $0.key, least: $0.value) }.sorted { $0.caller < $1.caller }
    }

    private static let lock: SQLStatement = "SELECT pg_advisory_xact_lock(hashtextextended($1, 13))"

    private static let count = ListStatements.countOfCreator
}
