import Exports
import CoreMetrics
import Synchronization

/// The limits of callers in this process: requests, what waits, and the bytes of files. A caller without limits costs a lookup in the
/// configuration and nothing else.
///
/// Only authenticated callers come here: a request with a wrong credential is nobody's. How many exports a caller creates is limited by
/// the ledger, and how many downloads it has at a time by `DownloadBudget`.
///
/// With replicas, each has its part of every limit here, by their number at the moment. See the article Caller-Limits.
final class CallerLimiter: Sendable {
    /// The most callers that are kept.
    static let mostCallers = 65_536

    private let others: CallerRules
    private let callers: [String: CallerRules]
    private let time: any TimeSource
    private let replicas: @Sendable () -> Int
    private let table: Mutex<CallerTable>
    private let refusals: [Quota.Name: Counter]
    private let evicted: Counter
    private let known: Meter

    /// Makes a limiter.
    ///
    /// - Parameters:
    ///   - replicas: How many replicas serve the same callers, this one included. Called for each request, on any thread.
    ///   - most: The most callers that are kept.
    init(
        _ limits: CallerLimitTable,
        time: any TimeSource,
        replicas: @escaping @Sendable () -> Int = { 1 },
        most: Int = mostCallers,
        metrics: any MetricsFactory
    ) {
        others = CallerRules(limits.others)
        callers = limits.callers.mapValues(CallerRules.init)
        self.time = time
        self.replicas = replicas
        table = Mutex(CallerTable(limit: most))
        let names: [Quota.Name] = [.requests, .waits, .downloadBytes]
        refusals = Dictionary(
            uniqueKeysWithValues: names.map { name in
                let dimensions = [("limit", name.rawValue)]
                return (
                    name,
                    Counter(
                        label: "export_gateway_caller_limit_refusals_total",
                        dimensions: dimensions,
                        factory: metrics
                    )
                )
            }
        )
        evicted = Counter(label: "export_gateway_caller_limit_callers_evicted_total", factory: metrics)
        known = Meter(label: "export_gateway_caller_limit_callers", factory: metrics)
        known.set(0)
    }

    private func rules(of caller: String) -> CallerRules { callers.isEmpty ? others : callers[caller] ?? others }

    /// Counts a request. Returns what is left of the limit; nil where there is none. Throws `tooManyRequests` where it is used up; the
    /// request is not counted then.
    func request(by caller: String) throws(GatewayError) -> RateLimitFields? {
        guard let rule = rules(of: caller).requests else { return nil }
        let allowance = rule.allowance.share(among: replicas())
        let now = time.elapsed().wholeNanoseconds
        let (missing, wholeAt) = change(caller, at: now) { use in
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
        table.withLock { $0.known(caller) { allowance.giveBack(&$0.requests) } }
    }

    /// Takes a place for what waits for a change; nil where it is not limited. Throws `tooManyRequests` where the caller has as many as
    /// it may.
    func wait(of caller: String) throws(GatewayError) -> WaitPlace? {
        guard let limit = rules(of: caller).waits else { return nil }
        let most = max(1, limit / max(1, replicas()))
        let isTaken = change(caller, at: time.elapsed().wholeNanoseconds) { use in
            guard use.waits < most else { return false }
            use.waits += 1
            return true
        }
        if isTaken { return WaitPlace(of: caller, in: self) }
        throw refusal(
            Quota(.waits, limit: limit),
            after: 5_000_000_000,
            "This caller has as many requests that wait for a change, and event streams, as it may have: \(limit). "
                + "Try again when one of them has ended."
        )
    }

    fileprivate func giveBackWait(of caller: String) {
        table.withLock { $0.known(caller) { $0.waits = max(0, $0.waits - 1) } }
    }

    /// Throws `tooManyRequests` where nothing is left of the bytes that the caller may download.
    func checkBytes(of caller: String) throws(GatewayError) {
        guard let rule = rules(of: caller).bytes else { return }
        let allowance = rule.allowance.share(among: replicas())
        let now = time.elapsed().wholeNanoseconds
        let missing = change(caller, at: now) { allowance.wait($0.bytes, at: now) }
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
        change(caller, at: now) { allowance.charge(bytes, &$0.bytes, at: now) }
    }

    /// Whether the bytes that are sent to a caller have to be counted.
    func countsBytes(of caller: String) -> Bool { rules(of: caller).bytes != nil }

    /// How many downloads a caller may have at a time, where that is its own number.
    func downloads(of caller: String) -> Int? { rules(of: caller).downloads }

    @discardableResult
    private func change<Value: Sendable>(_ caller: String, at now: Int64, _ body: (inout CallerUse) -> Value) -> Value {
        let (value, evicted, count) = table.withLock { table in
            let (before, size) = (table.evicted, table.count)
            let value = table.use(of: caller, at: now, body)
            return (value, table.evicted - before, table.count == size ? nil : table.count)
        }
        if evicted > 0 { self.evicted.increment(by: evicted) }
        if let count { known.set(count) }
        return value
    }

    private func refusal(_ quota: Quota, after nanoseconds: Int64, _ detail: String) -> GatewayError {
        refusals[quota.name]?.increment()
        return GatewayError(
            .tooManyRequests,
            detail,
            retryAfter: .seconds(max(1, Self.seconds(nanoseconds))),
            members: .quota(quota)
        )
    }

    private static func seconds(_ nanoseconds: Int64) -> Int64 { (nanoseconds + 999_999_999) / 1_000_000_000 }
}

/// A caller's place for a request that waits or for an event stream. It is given back by `giveBack`, or with the last reference to this
/// object.
final class WaitPlace: Sendable {
    private let caller: String
    private let limiter: CallerLimiter
    private let isHeld = Mutex(true)

    fileprivate init(of caller: String, in limiter: CallerLimiter) {
        (self.caller, self.limiter) = (caller, limiter)
    }

    deinit { giveBack() }

    /// Gives the place back. Only the first call counts.
    func giveBack() {
        let isMine = isHeld.withLock { isHeld in
            defer { isHeld = false }
            return isHeld
        }
        if isMine { limiter.giveBackWait(of: caller) }
    }
}
