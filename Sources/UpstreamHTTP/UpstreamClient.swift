import AsyncHTTPClient
public import Exports
public import Logging
public import Metrics
import NIOCore
import NIOHTTP1
import Synchronization

/// How one connection calls its upstream: tokens, pace, breaker, retries of harmless calls, deadlines.
///
/// All of a connection's calls go through one client, so that they share one budget and one breaker. It throws nothing
/// but `ProviderError`, and gives every answer back whatever its status: what a status means is the adapter's to say.
public final class UpstreamClient: Sendable {
    /// What a connection may call, and what it may show there.
    public struct Settings: Sendable {
        /// The connection's name, for logs and metrics.
        public var connection: String
        /// For each scope, the hosts that may be shown its token. A call with a bearer to any other host is refused here.
        public var bearerHosts: [TokenScope: [HostRule]]
        /// Further hosts that may be called, without a token.
        public var openHosts: [HostRule]
        /// The calls that the upstream allows, over all exports of the connection.
        public var budget: RequestBudget?
        /// The longest time a call waits for its place in the budget.
        public var patience: Duration

        /// Makes settings.
        public init(
            connection: String,
            bearerHosts: [TokenScope: [HostRule]],
            openHosts: [HostRule] = [],
            budget: RequestBudget? = nil,
            patience: Duration = .seconds(30)
        ) {
            self.connection = connection
            self.bearerHosts = bearerHosts
            self.openHosts = openHosts
            self.budget = budget
            self.patience = patience
        }
    }

    let settings: Settings
    let transport: UpstreamTransport
    let tokens: any AccessTokenSource
    let time: any TimeSource
    let logger: Logger
    let metrics: any MetricsFactory
    let jitter: @Sendable () -> Double
    private let guards: Mutex<(pacer: Pacer, breaker: CircuitBreaker)>

    /// Makes the client of one connection. `jitter` gives numbers in 0..<1 that spread repeated calls.
    public init(
        settings: Settings,
        transport: UpstreamTransport,
        tokens: any AccessTokenSource,
        time: any TimeSource,
        logger: Logger,
        metrics: any MetricsFactory,
        jitter: @escaping @Sendable () -> Double = { .random(in: 0..<1) }
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
        guards = Mutex((Pacer(budget: settings.budget), CircuitBreaker()))
    }

    /// One call and its whole answer.
    ///
    /// GET and DELETE are tried up to three times where the connection or a gateway in between failed; POST once.
    /// An answer that refuses the token is followed by one more call with a new one: nothing was carried out.
    /// Throws `throttled` when the budget has no place within the patience, `transient` when the call did not reach the
    /// upstream or is harmless to repeat, `ambiguous` when a POST may have been carried out, `permanent` for a host that
    /// may not be called, and what the token source throws.
    public func send(_ request: UpstreamRequest, context: CallContext) async throws(ProviderError) -> UpstreamResponse {
        var attempt = 1
        while true {
            do throws(ProviderError) {
                let response = try await withToken(request, context: context) {
                    token throws(ProviderError) in
                    try await self.exchange(request, token: token, context: context)
                } rejected: {
                    request.rejectsToken($0)
                }
                guard request.method.isIdempotent, attempt < 3, [502, 503, 504].contains(response.status),
                    response.retryAfter == nil
                else { return response }
            } catch {
                guard request.method.isIdempotent, attempt < 3, error.code == .transient, error.retryAfter == nil,
                    !Task.isCancelled
                else { throw error }
            }
            try await pause(.milliseconds(250 << attempt) + .milliseconds(Int64(jitter() * 250)))
            attempt += 1
        }
    }

    /// Opens a download: the head is awaited, the bytes come as they are read.
    ///
    /// Answers 3xx are followed up to three times to `redirects` and to the hosts of the request's scope; the token
    /// goes only to the latter. `expectedLength` is the size known beforehand. A 200 whose end cannot be told from a
    /// break, because neither the upstream nor the caller knows its length, throws `permanent`.
    public func download(
        _ request: UpstreamRequest,
        expectedLength: Int64? = nil,
        redirects: [HostRule] = [],
        context: CallContext
    ) async throws(ProviderError) -> UpstreamDownload {
        var request = request
        for _ in 0...3 {
            let current = request
            let answer = try await withToken(current, context: context) {
                token throws(ProviderError) in
                try await self.open(current, token: token, expectedLength: expectedLength, context: context)
            } rejected: {
                current.rejectsToken(
                    UpstreamResponse(status: $0.status, headers: $0.headers, body: [], receivedAt: $0.receivedAt)
                )
            }
            guard [301, 302, 303, 307, 308].contains(answer.status), let location = answer.headers["location"] else {
                return answer
            }
            guard let target = UpstreamURL(location.hasPrefix("/") ? current.url.origin + location : location) else {
                throw ProviderError(.permanent, "\(current.url.host) redirected to an address that cannot be read.")
            }
            if let scope = current.bearer,
                bearerHosts(for: scope, context: context).contains(where: { $0.matches(target) })
            {
                request.url = target
            } else if redirects.contains(where: { $0.matches(target) }) {
                request.url = target
                request.bearer = nil
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
    private func bearerHosts(for scope: TokenScope, context: CallContext) -> [HostRule] {
        settings.bearerHosts[scope] ?? []
    }

    private func withToken<Answer: Sendable>(
        _ request: UpstreamRequest,
        context: CallContext,
        call: (AccessToken?) async throws(ProviderError) -> Answer,
        rejected: (Answer) -> Bool
    ) async throws(ProviderError) -> Answer {
        guard let scope = request.bearer else {
            guard
                (settings.openHosts + settings.bearerHosts.values.joined()).contains(where: { $0.matches(request.url) })
            else { throw forbiddenHost(request.url) }
            return try await call(nil)
        }
        // The last line of defence for tokens: whatever an adapter was made to believe, the host decides.
        guard bearerHosts(for: scope, context: context).contains(where: { $0.matches(request.url) }) else {
            throw forbiddenHost(request.url)
        }
        let token = try await tokens.accessToken(for: scope, context: context, replacing: nil)
        let answer = try await call(token)
        guard rejected(answer) else { return answer }
        let other: AccessToken
        do throws(ProviderError) {
            other = try await tokens.accessToken(for: scope, context: context, replacing: token)
        } catch  where error.code == .unauthenticated {
            // There is no better token: the upstream's own words say more than ours.
            return answer
        }
        return try await call(other)
    }

    private func forbiddenHost(_ url: UpstreamURL) -> ProviderError {
        ProviderError(
            .permanent,
            "\(url.origin) is not a host that the connection \"\(settings.connection)\" may call; see its host settings."
        )
    }

    private func exchange(
        _ request: UpstreamRequest,
        token: AccessToken?,
        context: CallContext
    ) async throws(ProviderError) -> UpstreamResponse {
        try await pass(request)
        let started = time.now()
        do {
            let message = message(for: request, token: token, context: context)
            let (transport, logger) = (transport, logger)
            let (head, body) = try await withDeadline(request.timeout, time: time) {
                let response = try await transport.client.execute(
                    message,
                    timeout: .milliseconds(request.timeout.milliseconds),
                    logger: logger
                )
                let body = try await response.body.collect(upTo: request.bodyLimit)
                return (response, Array(buffer: body))
            }
            let response = UpstreamResponse(
                status: Int(head.status.code),
                headers: UpstreamHeaders(head.headers),
                body: body,
                receivedAt: time.now()
            )
            settle(request, status: response.status, retryAfter: response.retryAfter, started: started)
            return response
        } catch {
            throw failed(request, error, started: started)
        }
    }

    private func open(
        _ request: UpstreamRequest,
        token: AccessToken?,
        expectedLength: Int64?,
        context: CallContext
    ) async throws(ProviderError) -> UpstreamDownload {
        try await pass(request)
        let started = time.now()
        do {
            let response = try await transport.client.execute(
                message(for: request, token: token, context: context),
                timeout: .milliseconds(request.timeout.milliseconds),
                logger: logger
            )
            let headers = UpstreamHeaders(response.headers)
            let length = headers["content-length"].flatMap { Int64($0) }
            settle(request, status: Int(response.status.code), retryAfter: nil, started: started)
            let isChunked = headers.all("transfer-encoding")?.lowercased().hasSuffix("chunked") ?? false
            if response.status == .ok, length == nil, !isChunked, expectedLength == nil {
                throw ProviderError(
                    .permanent,
                    "\(request.url.host) sends the file without saying where it ends: a break could not be told from the end."
                )
            }
            return UpstreamDownload(
                status: Int(response.status.code),
                headers: headers,
                contentLength: length,
                bytes: UpstreamBytes(
                    body: response.body,
                    expected: response.status == .ok ? length ?? expectedLength : length,
                    host: request.url.host
                ),
                receivedAt: time.now()
            )
        } catch {
            throw failed(request, error, started: started)
        }
    }

    /// Waits for a place in the budget; refuses while the breaker is open.
    private func pass(_ request: UpstreamRequest) async throws(ProviderError) {
        let now = time.now()
        let rest = guards.withLock { guards -> Duration? in
            request.isPaced ? guards.breaker.request(at: now, isProbe: request.method == .get) : nil
        }
        if let rest {
            throw ProviderError(
                .transient,
                "\(request.url.host) failed repeatedly and is left alone for a while.",
                retryAfter: rest
            )
        }
        guard request.isPaced else { return }
        switch guards.withLock({ $0.pacer.request(at: now, patience: settings.patience) }) {
        case .callAfter(let wait): try await pause(wait)
        case .refuse(let wait):
            throw ProviderError(
                .throttled,
                "The request budget of the connection \"\(settings.connection)\" is used up for now.",
                retryAfter: wait
            )
        }
    }

    private func pause(_ duration: Duration) async throws(ProviderError) {
        guard duration > .zero else { return }
        do {
            try await time.sleep(for: duration)
        } catch {
            throw ProviderError(.transient, "The call was given up.", cause: error)
        }
    }

    private func message(for request: UpstreamRequest, token: AccessToken?, context: CallContext) -> HTTPClientRequest {
        var message = HTTPClientRequest(url: request.url.reveal())
        message.method = HTTPMethod(rawValue: request.method.rawValue)
        for field in request.headers { message.headers.add(name: field.name, value: field.value) }
        message.headers.replaceOrAdd(name: "accept-encoding", value: "identity")
        message.headers.replaceOrAdd(name: "user-agent", value: "export-gateway")
        message.headers.replaceOrAdd(name: "client-request-id", value: context.requestID)
        if let token {
            message.headers.replaceOrAdd(name: "authorization", value: "Bearer " + token.secret.reveal())
            for field in request.bearerHeaders { message.headers.add(name: field.name, value: field.value) }
        }
        if let form = request.form {
            message.headers.replaceOrAdd(name: "content-type", value: "application/x-www-form-urlencoded")
            let pairs = form.map {
                UpstreamURL.percentEncoded($0.name) + "=" + UpstreamURL.percentEncoded($0.value.reveal())
            }
            message.body = .bytes(ByteBuffer(string: pairs.joined(separator: "&")))
        } else if let body = request.body {
            message.headers.replaceOrAdd(name: "content-type", value: "application/json; charset=utf-8")
            message.body = .bytes(ByteBuffer(bytes: body))
        }
        return message
    }

    private func settle(_ request: UpstreamRequest, status: Int, retryAfter: Duration?, started: Timestamp) {
        let now = time.now()
        guards.withLock { guards in
            if status == 429 || status == 503, let retryAfter { guards.pacer.hold(for: retryAfter, at: now) }
            guard request.isPaced else { return }
            if status >= 500, retryAfter == nil { guards.breaker.failed(at: now) } else { guards.breaker.succeeded() }
        }
        record(request, outcome: "\(status / 100)xx", took: now - started)
        logger.debug(
            "Upstream answered",
            metadata: [
                "operation": .string(request.operation), "host": .string(request.url.host),
                "status": .stringConvertible(status),
                "milliseconds": .stringConvertible((now - started).milliseconds),
            ]
        )
    }

    private func failed(_ request: UpstreamRequest, _ error: any Error, started: Timestamp) -> ProviderError {
        let now = time.now()
        if let error = error as? ProviderError { return error }
        if error is CancellationError || Task.isCancelled {
            return request.method.isIdempotent
                ? ProviderError(.transient, "The call was given up.", cause: error)
                : ProviderError(.ambiguous, "The call was given up before its answer came.", cause: error)
        }
        if request.isPaced { guards.withLock { $0.breaker.failed(at: now) } }
        record(request, outcome: "failed", took: now - started)
        logger.info(
            "Upstream call failed",
            metadata: [
                "operation": .string(request.operation), "host": .string(request.url.host),
                "reason": .string(TransportFailure.label(error)),
                "milliseconds": .stringConvertible((now - started).milliseconds),
            ]
        )
        return TransportFailure.providerError(error, idempotent: request.method.isIdempotent, host: request.url.host)
    }

    private func record(_ request: UpstreamRequest, outcome: String, took: Duration) {
        let dimensions = [("connection", settings.connection), ("operation", request.operation), ("outcome", outcome)]
        Counter(label: "export_gateway_upstream_requests_total", dimensions: dimensions, factory: metrics).increment()
        Metrics.Timer(
            label: "export_gateway_upstream_request_duration_seconds",
            dimensions: Array(dimensions.dropLast()),
            preferredDisplayUnit: .seconds,
            factory: metrics
        )
        .recordMilliseconds(took.milliseconds)
    }
}

extension UpstreamHeaders {
    init(_ headers: HTTPHeaders) {
        self.init(headers.map { (name: $0.name, value: $0.value) })
    }
}
