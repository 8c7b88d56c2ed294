import CoreMetrics
import Exports

/// The limits of callers in this process: requests, what waits, and the bytes of files. A caller without limits costs a lookup in the
/// configuration and nothing else.
///
/// Only authenticated callers come here: a request with a wrong credential is nobody's. How many exports a caller creates is limited by
/// the ledger, and how many downloads it has at a time by `DownloadBudget`.
///
/// With replicas, each has its part of every limit here, by their number at the moment. See the article Caller-Limits.
///
/// Its limits never change. A limiter with others, made by `with(_:)`, goes on with what callers have used.
final class CallerLimiter: Sendable {
    /// The most callers that are kept.
    static let mostCallers = 65_536

    private let others: CallerRules
    private let callers: [String: CallerRules]
    private let uses: CallerUses
    private var time: any TimeSource { uses.time }
    private var replicas: @Sendable () -> Int { uses.replicas }

    /// Makes a limiter.
    ///
    /// - Parameters:
    ///   - replicas: How many replicas serve the same callers, this one included. Called for each request, on any thread.
    ///   - most: The most callers that are kept.
    convenience init(
        _ limits: CallerLimitTable,
        time: any TimeSource,
        replicas: @escaping @Sendable () -> Int = { 1 },
        most: Int = mostCallers,
        metrics: any MetricsFactory
    ) {
        self.init(limits, CallerUses(time: time, replicas: replicas, most: most, metrics: metrics))
    }

    private init(_ limits: CallerLimitTable, _ uses: CallerUses) {
        others = CallerRules(limits.others)
        callers = limits.callers.mapValues(CallerRules.init)
        self.uses = uses
    }

    /// A limiter with other limits, for the same callers: what they have used stays used.
    func with(_ limits: CallerLimitTable) -> CallerLimiter { CallerLimiter(limits, uses) }

    private func rules(of caller: String) -> CallerRules { callers.isEmpty ? others : callers[caller] ?? others }

    /// Counts a request. Returns what is left of the limit; nil where there is none. Throws `tooManyRequests` where it is used up; the
    /// request is not counted then.
    func request(by caller: String) throws(GatewayError) -> RateLimitFields? {
        guard let rule = rules(of: caller).requests else { return nil }
        let allowance = rule.allowance.share(among: replicas())
        let now = time.elapsed().wholeNanoseconds
        let (missing, wholeAt) = uses.change(caller, at: now) { use in
            (allowance.take(&use.requests, at: now), use.requests)
        }
        if let missing {
            throw refusal(
                rule.quota,
                after: missing,
                "This caller has sent more requests than its limit of \(rule.quota.limit) a minute allows."
            )
        }
        return RateLimitFields(
            .requests,
            policy: rule.policy,
            left: allowance.left(wholeAt, at: now),
            seconds: Self.seconds(max(0, wholeAt - now))
        )
    }

    /// Takes back that a request was counted: it will be counted again where it is answered.
    func passesOn(requestBy caller: String) {
        guard let rule = rules(of: caller).requests else { return }
        let allowance = rule.allowance.share(among: replicas())
        uses.known(caller) { allowance.giveBack(&$0.requests) }
    }

    /// Takes a place for what waits for a change; nil where it is not limited. Throws `tooManyRequests` where the caller has as many as
    /// it may.
    func wait(of caller: String) throws(GatewayError) -> WaitPlace? {
        guard let limit = rules(of: caller).waits else { return nil }
        let most = max(1, limit / max(1, replicas()))
        let isTaken = uses.change(caller, at: time.elapsed().wholeNanoseconds) { use in
            guard use.waits < most else { return false }
            use.waits += 1
            return true
        }
        if isTaken { return WaitPlace(of: caller, in: uses) }
        throw refusal(
            Quota(.waits, limit: limit),
            after: 5_000_000_000,
            "This caller has as many requests that wait for a change, and event streams, as it may have: \(limit). "
                + "Try again when one of them has ended."
        )
    }

    /// Throws `tooManyRequests` where nothing is left of the bytes that the caller may download.
    func checkBytes(of caller: String) throws(GatewayError) {
        guard let rule = rules(of: caller).bytes else { return }
        let allowance = rule.allowance.share(among: replicas())
        let now = time.elapsed().wholeNanoseconds
        let missing = uses.change(caller, at: now) { allowance.wait($0.bytes, at: now) }
        guard let missing else { return }
        throw refusal(
            rule.quota,
            after: missing,
            "This caller has downloaded as many bytes as it may: \(rule.quota.limit) in "
                + "\(rule.quota.window?.wholeSecondsRoundedUp ?? 0) seconds."
        )
    }

    /// Counts bytes of files that were sent to a caller.
    func sent(_ bytes: Int64, to caller: String) {
        guard let rule = rules(of: caller).bytes else { return }
        let allowance = rule.allowance.share(among: replicas())
        let now = time.elapsed().wholeNanoseconds
        uses.change(caller, at: now) { allowance.charge(bytes, &$0.bytes, at: now) }
    }

    /// Whether the bytes that are sent to a caller have to be counted.
    func countsBytes(of caller: String) -> Bool { rules(of: caller).bytes != nil }

    /// How many downloads a caller may have at a time, where that is its own number.
    func downloads(of caller: String) -> Int? { rules(of: caller).downloads }

    /// How many exports a caller may create in any 24 hours; nil where it is not limited.
    func createsPerDay(of caller: String) -> Int? { rules(of: caller).createsPerDay }

    private func refusal(_ quota: Quota, after nanoseconds: Int64, _ detail: String) -> GatewayError {
        uses.refused(quota.name)
        return GatewayError(
            .tooManyRequests,
            detail,
            retryAfter: .seconds(max(1, Self.seconds(nanoseconds))),
            members: .quota(quota)
        )
    }

    private static func seconds(_ nanoseconds: Int64) -> Int64 { (nanoseconds + 999_999_999) / 1_000_000_000 }
}
