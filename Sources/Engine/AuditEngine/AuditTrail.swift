public import Audit
public import ExportLedger
public import Exports
public import Logging
public import Metrics
import Synchronization

/// The audit trail of this process: takes what belongs to no change of an export, seals what the ledger has, and tells the chain's end.
///
/// Every process on one ledger seals. The ledger lets only one of them at a time.
public final class AuditTrail: Sendable {
    /// The keys: one that seals, and those with which entries may have been stamped before or after.
    public struct Keys: Sendable {
        public var key: AuditKey
        public var others: [AuditKey]

        /// Names them.
        public init(key: AuditKey, others: [AuditKey]) { (self.key, self.others) = (key, others) }

        var all: AuditKeys { AuditKeys([key] + others) }
    }

    /// Makes the entries of this process.
    public let writer: AuditWriter
    let store: any AuditStore
    let keys: Keys
    let settings: AuditSettings
    let headFile: HeadFile?
    let sinks: [any AuditSink]
    let time: any TimeSource
    let random: Randomness
    let logger: Logger
    let metrics: AuditMetrics
    let denials: Mutex<DenialQueue>
    /// The end of the chain as this process has left it, or has seen it since.
    let seen: Mutex<AuditHead?>
    /// The head that was told last.
    let told: Mutex<AuditHead?>
    /// The number of the entry after which the next round goes on.
    let place = Mutex<Int64>(0)
    /// The keys of entries that wait because this process does not have them, as far as they were logged.
    let unknownKeys = Mutex<Set<String>>([])
    /// The anchor that was proved last. No later one is of an earlier row.
    let anchor = Mutex<AuditAnchor?>(nil)
    /// Why nothing was sealed the last time.
    let obstacle = Mutex<AuditFinding?>(nil)
    /// Why no rows were deleted the last time.
    let refusal = Mutex<AuditFinding?>(nil)
    /// Whether the oldest rows have times in the future, so many that none was deleted.
    let isAhead = Mutex(false)
    /// Whether the last attempt to write the trail has failed.
    let isFailing = Mutex(false)
    /// Whoever appends to the chain, until the rows are told.
    let turns = Turns()
    /// Fired when something waits to be sealed.
    let wakes = Signal()

    /// Makes a trail. Nothing is sealed before `run()`.
    ///
    /// - Parameters:
    ///   - store: Where the trail is: the ledger.
    ///   - headFile: Gets each head that is told; nil: none does.
    ///   - told: The head that was told last before this process, where that is known.
    ///   - sinks: Get the rows that this process seals, and the heads that it tells.
    ///   - random: Uniform 64-bit numbers from a secure source, for ids.
    public init(
        store: any AuditStore,
        keys: Keys,
        settings: AuditSettings = AuditSettings(),
        headFile: HeadFile? = nil,
        told: AuditHead? = nil,
        sinks: [any AuditSink] = [],
        time: any TimeSource,
        random: @escaping @Sendable () -> UInt64,
        logger: Logger,
        metrics: any MetricsFactory
    ) {
        let randomness = Randomness(random)
        self.store = store
        self.keys = keys
        self.settings = settings
        self.headFile = headFile
        seen = Mutex(told)
        self.told = Mutex(told)
        self.sinks = sinks
        self.time = time
        self.random = randomness
        self.logger = logger
        self.metrics = AuditMetrics(factory: metrics)
        writer = AuditWriter(key: keys.key, time: time, random: randomness)
        denials = Mutex(DenialQueue(settings.denials, limit: settings.denialQueue))
    }
}

extension AuditTrail: AuditService {
    public func denied(_ denial: AuditDenial) {
        let (elapsed, now) = (time.elapsed(), time.now())
        denials.withLock { $0.add(denial, at: elapsed, now) }
    }

    public func record(
        _ action: AuditAction,
        _ outcome: AuditOutcome,
        by origin: AuditOrigin,
        of exportID: ExportID?,
        _ details: [String: String?]
    ) async throws(GatewayError) {
        let entry = writer.entry(action, outcome, by: origin, of: exportID, details)
        try await asking { try await self.store.append([entry]) }
        wakes.fire()
    }

    public func rows(
        matching filter: AuditFilter,
        before place: AuditPlace?,
        limit: Int
    ) async throws(GatewayError) -> AuditPage {
        // One more, to know whether there is a next page.
        let found = try await asking {
            try await self.store.auditRows(matching: filter, before: place, limit: limit + 1)
        }
        let rows = Array(found.rows.prefix(limit))
        let hasMore = found.rows.count > limit
        // Where rows cannot be read, the page has fewer, and the next one begins after all that were looked at.
        let next = hasMore ? rows.last.map { AuditPlace(of: $0) } : found.isFull ? found.last : nil
        return AuditPage(rows: rows, next: next, unreadable: found.unreadable.count)
    }

    public func piece(
        after sequence: Int64,
        matching filter: AuditFilter,
        limit: Int
    ) async throws(GatewayError) -> AuditPiece {
        var (rows, place, looked): ([AuditRow], Int64?, Int) = ([], sequence, 0)
        var unreadable: [Int64] = []
        while let after = place, rows.count < limit, looked < settings.pieceRows {
            let wanted = min(1_000, filter == AuditFilter() ? limit - rows.count : settings.pieceRows - looked)
            let found = try await asking { try await self.store.auditRows(after: after, limit: wanted) }
            looked += found.rows.count + found.unreadable.count
            place = found.isFull ? found.last?.sequence : nil
            unreadable += found.unreadable
            for row in found.rows where filter.contains(row) {
                guard rows.count < limit else {
                    place = rows.last?.sequence
                    break
                }
                rows.append(row)
            }
        }
        // What comes after the end of this piece is told with the next one.
        return AuditPiece(rows: rows, next: place, unreadable: unreadable.filter { $0 <= place ?? .max })
    }

    private func asking<T: Sendable>(_ body: () async throws -> T) async throws(GatewayError) -> T {
        do {
            return try await body()
        } catch {
            throw LedgerError.forClient(error, logger)
        }
    }
}
