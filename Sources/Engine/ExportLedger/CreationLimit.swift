public import Exports
import GRDB
import Synchronization

/// How many exports a caller may create, at most, from a time on. The ledger counts what it has stored: neither replays of an
/// idempotency key nor refused requests.
public struct CreationLimit: Sendable, Hashable {
    /// The most exports.
    public var count: Int
    /// The time from which they count, by their time of creation.
    public var since: Timestamp

    /// Makes a limit.
    public init(_ count: Int, since: Timestamp) {
        self.count = count
        self.since = since
    }

    /// The ids of all exports that count are this text or sort after it.
    package var leastID: String {
        var filter = ExportFilter()
        filter.createdAfter = since
        return filter.leastID
    }
}

/// How many exports each caller may still create before they have to be counted again: as time goes on, there can only be more.
///
/// Valid where nobody else writes the ledger. A creation that is undone afterwards has used its place: then it is counted earlier.
final class CreationCredits: Sendable {
    private struct Credit {
        var limit: Int
        var left: Int
    }

    /// The most callers that are kept; all are evicted for one more.
    private static let mostCallers = 10_000

    private let credits = Mutex<[String: Credit]>([:])

    /// Uses a place. False where it has to be counted.
    func use(of caller: String, limit: Int) -> Bool {
        credits.withLock { credits in
            guard let credit = credits[caller], credit.limit == limit, credit.left > 0 else { return false }
            credits[caller]?.left -= 1
            return true
        }
    }

    /// It was counted, and so many are left.
    func set(_ left: Int, of caller: String, limit: Int) {
        credits.withLock { credits in
            if credits.count >= Self.mostCallers, credits[caller] == nil { credits = [:] }
            credits[caller] = left > 0 ? Credit(limit: limit, left: left) : nil
        }
    }
}

extension SQLiteLedger {
    /// Takes a place for an export of a caller. Returns the id of the oldest export that counts, where there is no place.
    static func takePlace(
        for caller: String,
        _ limit: CreationLimit,
        _ credits: CreationCredits,
        in database: Database
    ) throws -> String? {
        if credits.use(of: caller, limit: limit.count) { return nil }
        let (index, least) = (ListIndex.creator, limit.leastID)
        let statement = try database.cachedStatement(sql: index.count)
        var (count, oldest) = (0, "g")
        for range in try index.ranges([.createdBy: caller], in: database) {
            let arguments = StatementArguments(range + [least])
            guard let row = try Row.fetchOne(statement, arguments: arguments) else { continue }
            count += row[0] as Int
            if let first = row[1] as String? { oldest = min(oldest, first) }
        }
        // One of them for the export that is created now.
        credits.set(limit.count - count - 1, of: caller, limit: limit.count)
        return count < limit.count ? nil : oldest
    }
}
