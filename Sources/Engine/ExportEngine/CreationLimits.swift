import ExportLedger
import Exports
import Metrics
import Synchronization

/// How many exports callers may create in a day. The ledger counts and decides; here it is only kept who was refused until when, so that
/// a caller that goes on asking costs the ledger no more than the look-up of its idempotency keys.
final class CreationLimits: Sendable {
    /// The most refused callers that are kept; all are evicted for one more.
    private static let mostCallers = 10_000

    private let limits: CallerLimitTable
    private let refusedUntil = Mutex<[String: Timestamp]>([:])
    private let refusals: Counter

    init(_ limits: CallerLimitTable, metrics: any MetricsFactory) {
        self.limits = limits
        refusals = Counter(
            label: "export_gateway_caller_limit_refusals_total",
            dimensions: [("limit", Quota.Name.creates.rawValue)],
            factory: metrics
        )
    }

    /// The limit of a caller at a time; nil where it has none.
    func limit(of caller: String, at now: Timestamp) -> CreationLimit? {
        limits.limits(of: caller).createsPerDay.map { CreationLimit($0, since: now + (.zero - CallerLimits.day)) }
    }

    /// The error for a caller who was refused a moment ago, and would be refused again. It counts as a refusal.
    func refusal(of caller: String, at now: Timestamp) -> GatewayError? {
        guard let count = limits.limits(of: caller).createsPerDay else { return nil }
        guard let wait = wait(of: caller, at: now) else { return nil }
        return error(count, after: wait)
    }

    /// How long a caller who was refused a moment ago would be refused again; nil for others. It does not count as a refusal.
    func wait(of caller: String, at now: Timestamp) -> Duration? {
        let until = refusedUntil.withLock { $0[caller] }
        guard let until, now < until else { return nil }
        return until - now
    }

    /// The error for a caller whom the ledger has refused. `oldest` is when the oldest of those that count was created.
    func refused(_ caller: String, oldest: Timestamp, at now: Timestamp) -> GatewayError {
        let until = oldest + CallerLimits.day
        refusedUntil.withLock { refused in
            if refused.count >= Self.mostCallers, refused[caller] == nil { refused = [:] }
            refused[caller] = until
        }
        return error(limits.limits(of: caller).createsPerDay ?? 0, after: until - now)
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
