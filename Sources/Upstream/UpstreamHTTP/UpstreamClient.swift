public import Exports
public import Logging
public import Metrics
public import Pacing
public import Spans
import Synchronization

/// Makes the calls of one connection to its upstream: with tokens, a request budget, a circuit breaker, retries of harmless calls and
/// deadlines.
///
/// All calls of a connection go through one client, so that they share one breaker and one budget, which other connections may share
/// too. It throws only `ProviderError`, and returns every answer whatever its status: the adapter decides what a status means.
public final class UpstreamClient: Sendable {
    /// Which hosts a connection may call, and which tokens it may send them.
    public struct Settings: Sendable {
        /// The connection's name, for logs and metrics.
        public var connection: String
        /// For each scope, the hosts to which its token may be sent. A call with a token to any other host is refused here.
        public var bearerHosts: [TokenScope: [HostRule]]
        /// Further hosts that may be called, without a token.
        public var openHosts: [HostRule]
        /// The calls that the upstream allows; only for a client that is not given a budget to share.
        public var budget: RequestBudget?
        /// The longest time a call waits for its place in the budget, where its context does not say.
        public var patience: Duration
        /// Whether a refused start counts as "too busy" by its words alone; see
        /// `AnswerTable.saysThatJobsAreAtTheirMaximum`. Assumed: Microsoft documents the words, and not with which answer they
        /// come.
        public var trustsCapacityText: Bool
        /// Hosts that are told which trace a call belongs to, by `traceparent`. All others are told nothing of traces.
        public var tracedHosts: [HostRule]

        /// Makes settings.
        public init(
            connection: String,
            bearerHosts: [TokenScope: [HostRule]],
            openHosts: [HostRule] = [],
            budget: RequestBudget? = nil,
            patience: Duration = .seconds(30),
            trustsCapacityText: Bool = false,
            tracedHosts: [HostRule] = []
        ) {
            self.connection = connection
            self.bearerHosts = bearerHosts
            self.openHosts = openHosts
            self.budget = budget
            self.patience = patience
            self.trustsCapacityText = trustsCapacityText
            self.tracedHosts = tracedHosts
        }
    }

    /// Whether the calls carry users' tokens, and not the application's own.
    public var actsForUsers: Bool { tokens.actsForUsers }

    /// See `Settings`.
    public var trustsCapacityText: Bool { settings.trustsCapacityText }

    let settings: Settings
    let transport: UpstreamTransport
    let tokens: any AccessTokenSource
    let time: any TimeSource
    let logger: Logger
    let metrics: any MetricsFactory
    let jitter: @Sendable () -> Double
    let observer: (any AnswerObserver)?
    let tracer: GatewayTracer
    let budget: CallBudget
    let breaker = Mutex(CircuitBreaker())
    /// By how much the upstream's clock is ahead of ours, at least.
    let clockLead = Mutex<Duration?>(nil)

    /// Makes the client of one connection. Without a `budget` to share it has one of its own. `jitter` gives numbers in 0..<1
    /// that spread repeated calls. An `observer` is told of every answer, before it is decided what it means. The `tracer` makes a span
    /// of each exchange that is part of a recorded one.
    public init(
        settings: Settings,
        budget: CallBudget? = nil,
        transport: UpstreamTransport,
        tokens: any AccessTokenSource,
        time: any TimeSource,
        logger: Logger,
        metrics: any MetricsFactory,
        jitter: @escaping @Sendable () -> Double = { .random(in: 0..<1) },
        observer: (any AnswerObserver)? = nil,
        tracer: GatewayTracer = GatewayTracer()
    ) {
        self.settings = settings
        self.transport = transport
        self.tokens = tokens
        self.time = time
        var logger = logger
        logger[metadataKey: "connection"] = .string(settings.connection)
        self.logger = logger
        self.metrics = metrics
        self.jitter = jitter
        self.observer = observer
        self.tracer = tracer
        self.budget =
            budget
            ?? CallBudget(
                settings.budget,
                name: settings.connection,
                time: time,
                // A budget without a limit has no metrics.
                metrics: settings.budget == nil ? NOOPMetricsHandler.instance : metrics
            )
    }

    /// One call and its whole answer, without the secrets that went out with it.
    ///
    /// GET and DELETE are tried up to `attempts` times where the connection or a gateway in between failed; POST once, unless
    /// the request says that it is harmless.
    /// An answer that refuses the token is followed by one more call with a new one: nothing was carried out. Of a call that starts
    /// a job, `didNotStart` of the context is called in between, and `willStart` again before the second one.
    /// A call that starts a job is sent on a new connection, so that it is certain when nothing was sent.
    /// Where the budget has no place for a further attempt, the outcome of the attempt before is returned or thrown.
    ///
    /// Throws:
    /// - `throttled` with the problem `queued` when the budget has no place within the patience: the upstream was not asked. A
    ///   call with a new token that has no place throws it too.
    /// - `throttled` when the upstream has asked for a longer silence than the patience.
    /// - `transient` when the call did not reach the upstream or is harmless to repeat.
    /// - `ambiguous` when a POST may have been carried out.
    /// - `permanent` for a host that may not be called.
    /// - `unauthenticated` with the challenge when the upstream wants more of the user whose token it is
    ///   (`Upstream-EntraID, On behalf of`).
    /// - What the token source throws.
    public func send(_ request: UpstreamRequest, context: CallContext) async throws(ProviderError) -> UpstreamResponse {
        let isHarmless = request.method.isIdempotent || request.isHarmless
        var attempt = 1
        // The outcome of the last attempt.
        var former: Result<UpstreamResponse, ProviderError>?
        var context = context
        while true {
            do throws(ProviderError) {
                let (context, before) = (context, attempt - 1)
                let response = try await withToken(request, context: context) {
                    token,
                    isAgain throws(ProviderError) in
                    try await self.exchange(
                        request,
                        token: token,
                        context: context,
                        resends: before + (isAgain ? 1 : 0)
                    )
                } rejected: {
                    request.rejectsToken($0)
                }
                guard isHarmless, attempt < request.attempts, request.isWorthAnotherTry(response) else {
                    return response
                }
                former = .success(response)
            } catch {
                // The upstream's answer to the attempt before is more useful than the error that there is no place for another one.
                if error.isOwnWait, let former { return try former.get() }
                guard isHarmless, attempt < request.attempts, error.code == .transient,
                    error.retryAfter == nil, !Task.isCancelled
                else { throw error }
                former = .failure(error)
            }
            // Further attempts do not wait for a place as long as the next call of a piece of work does.
            context.series = nil
            try await pause(.milliseconds(250 << attempt) + .milliseconds(Int64(jitter() * 250)))
            attempt += 1
        }
    }

    /// The time by the client's own clock.
    public var now: Timestamp { time.now() }

    /// The client's monotonic time, for durations.
    public var elapsed: Duration { time.elapsed() }

    /// The upstream's own time at `now` of our clock, estimated by the `Date` of its last answer to a call that counts against the
    /// budget. Never later than the real time; it may be too early by a second or by the duration of that call. Nil before an answer
    /// had a `Date`.
    public func upstreamTime(at now: Timestamp) -> Timestamp? { clockLead.withLock { $0 }.map { now + $0 } }

    /// Opens a download. Returns when the head has come; the bytes are received as they are read.
    ///
    /// Redirects are followed up to three times, to `redirects` and to the hosts of the request's scope, never from https to http. The
    /// token is sent only to the latter, and calls to other hosts take no place in the budget. `expectedLength` is the claimed size of
    /// the whole file: the bytes of a 200 without `Content-Length` and without chunks throw unless they have that length. The caller
    /// checks whether an announced length can be right. A 200 whose end could not be told from a broken connection, because neither
    /// the upstream nor the caller knows its length, throws `permanent`.
    ///
    /// With a `range`, the answer may be that part (206, `range` of the answer says which) or the whole file (200); the
    /// part begins where it was asked for, and may end earlier. With the range's `validator`, a part comes only with the
    /// same strong entity tag: where the upstream sends a part with another or none, the whole file is asked for instead.
    /// Throws `invalid` when the upstream says that the file ends before the range (416), `transient` for a part that does
    /// not fit what was asked, `permanent` for an encoded part and for several parts.
    public func download(
        _ request: UpstreamRequest,
        range: FileRange? = nil,
        expectedLength: Int64? = nil,
        redirects: [HostRule] = [],
        context: CallContext
    ) async throws(ProviderError) -> UpstreamDownload {
        func open(_ range: FileRange?) async throws(ProviderError) -> UpstreamDownload {
            try await follow(
                request,
                range: range,
                expectedLength: expectedLength,
                redirects: redirects,
                context: context
            )
        }
        let answer = try await open(range)
        guard let wanted = range?.validator, answer.range != nil, answer.validator != wanted else { return answer }
        // The file has changed, or the upstream ignores `If-Range`. This part must not be joined to the part before it.
        return try await open(nil)
    }

    private func follow(
        _ request: UpstreamRequest,
        range: FileRange?,
        expectedLength: Int64?,
        redirects: [HostRule],
        context: CallContext
    ) async throws(ProviderError) -> UpstreamDownload {
        var request = request
        if let range { request.headers += range.fields }
        for hop in 0...3 {
            let current = request
            let answer = try await withToken(current, alsoOpen: redirects, context: context) {
                token,
                isAgain throws(ProviderError) in
                try await self.open(
                    current,
                    token: token,
                    range: range,
                    expectedLength: expectedLength,
                    context: context,
                    resends: hop + (isAgain ? 1 : 0)
                )
            } rejected: {
                current.rejectsToken(
                    UpstreamResponse(status: $0.status, headers: $0.headers, body: [], receivedAt: $0.receivedAt)
                )
            }
            guard [301, 302, 303, 307, 308].contains(answer.status), let location = answer.headers["location"] else {
                return answer
            }
            let target: UpstreamURL
            do throws(LinkFault) {
                target = try UpstreamURL(link: location, from: current.url)
            } catch {
                throw ProviderError(
                    .permanent,
                    "\(current.url.host) redirects with a Location that cannot be used: it \(error.words).",
                    upstream: UpstreamErrorInfo(status: answer.status)
                )
            }
            if let scope = current.bearer,
                bearerHosts(for: scope).contains(where: { $0.matches(target) })
            {
                request.url = target
            } else if redirects.contains(where: { $0.matches(target) }) {
                // The budget is for the API's own hosts: calls to another host take no place, and its 429 does not count.
                if target.origin != current.url.origin { request.isPaced = false }
                request.url = target
                request.bearer = nil
                request.isSignedLink = true
            } else {
                throw ProviderError(
                    .unauthenticated,
                    "\(current.url.host) redirected to \(target.host), which is not a download host: most likely a sign-in page, because the token was not accepted there.",
                    upstream: UpstreamErrorInfo(status: answer.status)
                )
            }
        }
        throw ProviderError(.permanent, "\(request.url.host) redirected too often.")
    }
}

extension UpstreamClient {
    /// The hosts that may be shown a token of `scope`.
    private func bearerHosts(for scope: TokenScope) -> [HostRule] { settings.bearerHosts[scope] ?? [] }

    /// - Parameter call: Gets the token, and whether the same call was made with another token just before.
    private func withToken<Answer: UpstreamAnswer>(
        _ request: UpstreamRequest,
        alsoOpen: [HostRule] = [],
        context: CallContext,
        call: (AccessToken?, Bool) async throws(ProviderError) -> Answer,
        rejected: (Answer) -> Bool
    ) async throws(ProviderError) -> Answer {
        guard let scope = request.bearer else {
            let open = settings.openHosts + settings.bearerHosts.values.joined() + alsoOpen
            guard open.contains(where: { $0.matches(request.url) }) else { throw forbiddenHost(request.url) }
            return try await call(nil, false)
        }
        // The last check before a token is sent: the host must be allowed, whatever address the adapter was given.
        guard bearerHosts(for: scope).contains(where: { $0.matches(request.url) }) else {
            throw forbiddenHost(request.url)
        }
        let token = try await tokens.accessToken(for: scope, context: context, replacing: nil)
        let answer = try await call(token, false)
        guard rejected(answer) else { return answer }
        try checkChallenge(answer, request, token)
        if request.startsJob { await context.didNotStart?() }
        let other: AccessToken
        do throws(ProviderError) {
            other = try await tokens.accessToken(for: scope, context: context, replacing: token)
        } catch  where error.problem == .upstreamAuthorizationRequired && error.challenge == nil {
            // Only the caller can send a better token. The upstream's own message about this one is more useful than ours.
            return answer
        }
        let second = try await call(other, true)
        if rejected(second) { try checkChallenge(second, request, other) }
        return second
    }

    /// Throws when the upstream requires more of the user: every other token from the same sign-in would be refused too.
    private func checkChallenge(
        _ answer: some UpstreamAnswer,
        _ request: UpstreamRequest,
        _ token: AccessToken
    ) throws(ProviderError) {
        guard tokens.actsForUsers, answer.status == 401, var challenge = ClaimsChallenge(answer.headers) else { return }
        challenge.claims = SentSecrets(request, token: token).redacted(challenge.claims)
        throw ProviderError(
            .unauthenticated,
            "\(request.url.host) wants more of the user. Sign in again with the claims given here, and send the new token in the header that the former one came in.",
            problem: .upstreamClaimsRequired,
            upstream: UpstreamErrorInfo(status: answer.status),
            challenge: challenge
        )
    }

    private func forbiddenHost(_ url: UpstreamURL) -> ProviderError {
        ProviderError(
            .permanent,
            "\(url.origin) is not a host that the connection \"\(settings.connection)\" may call; see its host settings."
        )
    }
}
