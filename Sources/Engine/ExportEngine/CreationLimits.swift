import ExportLedger
import Exports
import Metrics
import Synchronization

/// How many exports callers may create in a day. The ledger counts and decides; here it is only kept who was refused until when, so that
/// a caller that goes on asking costs the ledger no more than the look-up of its idempotency keys.
final class CreationLimits: Sendable {
    /// The most refused callers that are kept; all are evicted for one more.
    private static let mostCallers = 10_000

    /// Until when a caller would be refused by a limit.
    private struct Refused: Sendable {
        var until: Timestamp
        var limit: Int
    }

    private let refusedUntil = Mutex<[String: Refused]>([:])
    private let refusals: Counter

    init(metrics: any MetricsFactory) {
        refusals = Counter(
            label: "export_gateway_caller_limit_refusals_total",
            dimensions: [("limit", Quota.Name.creates.rawValue)],
            factory: metrics
        )
    }

    /// The limit of a caller at a time; nil where it has none.
    func limit(of caller: Viewer, at now: Timestamp) -> CreationLimit? {
        caller.createsPerDay.map { CreationLimit($0, since: now + (.zero - CallerLimits.day)) }
    }

    /// The error for a caller who was refused a moment ago, and would be refused again. It counts as a refusal.
    func refusal(of caller: Viewer, at now: Timestamp) -> GatewayError? {
        guard let count = caller.createsPerDay, let wait = wait(of: caller, at: now) else { return nil }
        return error(count, after: wait)
    }

    /// How long a caller who was refused a moment ago would be refused again; nil for others. It does not count as a refusal.
    func wait(of caller: Viewer, at now: Timestamp) -> Duration? {
        let refused = refusedUntil.withLock { $0[caller.id] }
        // With another limit than the one it was refused by, the ledger has to count.
        guard let refused, refused.limit == caller.createsPerDay, now < refused.until else { return nil }
        return refused.until - now
    }

    /// The error for a caller whom the ledger has refused by `limit`. `oldest` is when the oldest of those that count was created.
    func refused(_ caller: String, by limit: Int, oldest: Timestamp, at now: Timestamp) -> GatewayError {
        let until = oldest + CallerLimits.day
        refusedUntil.withLock { refused in
            if refused.count >= Self.mostCallers, refused[caller] == nil { refused = [:] }
            refused[caller] = Refused(until: until, limit: limit)
        }
        return error(limit, after: until - now)
    }

    private func error(_ count: Int, after wait: Duration) -> GatewayError {
        refusals.increment()
        return GatewayError(
            .tooManyRequests,
            "This caller has created \(count) exports in the last 24 hours, which is the most that it may.",
            retryAfter: max(.seconds(1), wait),
            members: .quota(Quota(.creates, limit: count, window: CallerLimits.day))
        )
    }
}
