import HTTPFields
import AsyncHTTPClient
import Exports
import Logging
import Metrics
import NIOCore
import NIOHTTP1
import Pacing
import Spans
import Synchronization

// One exchange with the upstream: the request, and its answer or error.
extension UpstreamClient {
    func exchange(
        _ request: UpstreamRequest,
        token: AccessToken?,
        context: CallContext,
        resends: Int
    ) async throws(ProviderError) -> UpstreamResponse {
        let place = try await pass(request, context)
        let started = time.now()
        let span = span(of: request, context, place, resends: resends)
        do {
            let message = message(for: request, token: token, context: context, span)
            if request.startsJob { try await announce(context, place) }
            let (transport, logger, time) = (transport, transportLogger, time)
            let (head, encoded) = try await transport.withClient(for: request.url, forStart: request.startsJob) {
                client in
                try await withDeadline(request.timeout, time: time) {
                    let response = try await client.execute(
                        message,
                        timeout: .milliseconds(request.timeout.milliseconds),
                        logger: logger
                    )
                    do {
                        return (response, try await Self.body(of: response, to: request))
                    } catch  where request.startsJob && (200...299).contains(response.status.code) {
                        // The head says that the start was accepted, and may have the job's address.
                        return (response, [UInt8]())
                    }
                }
            }
            let receivedAt = time.now()
            let isError = !(200...299).contains(head.status.code)
            // A token endpoint may grant the same secret that was sent, such as a refresh token.
            let sent = isError || request.form == nil ? SentSecrets(request, token: token) : nil
            let headers = UpstreamHeaders(head.headers, without: sent)
            // Gzip may expand to any size up to the limit.
            let size = AnswerBody.isGzip(encoded) ? request.bodyLimit : encoded.count
            let body = try await transport.heavyWork.run(on: size) {
                AnswerBody(encoded, headers: headers, limit: request.bodyLimit, without: sent, isError: isError)
            }
            let response = UpstreamResponse(
                status: Int(head.status.code),
                headers: headers,
                body: body,
                receivedAt: receivedAt
            )
            observer?.received(response, to: request.operation)
            if request.isPaced { learnTime(from: response) }
            settle(request, place, status: response.status, retryAfter: response.retryAfter, started: started)
            span?.answered(response.status)
            return response
        } catch {
            span?.failed(error)
            throw failed(request, place, error, started: started)
        }
    }

    /// The bytes of an answer. Too many bytes are an error where the call can be repeated. Of an error, and of an answer to a POST, the
    /// beginning is returned, because the head already says what happened.
    private static func body(of response: HTTPClientResponse, to request: UpstreamRequest) async throws -> [UInt8] {
        let isError = !(200...299).contains(response.status.code)
        let limit = isError ? min(AnswerLimit.error, request.bodyLimit) : request.bodyLimit
        var bytes: [UInt8] = []
        for try await chunk in response.body {
            bytes += chunk.readableBytesView.prefix(limit - bytes.count + 1)
            guard bytes.count > limit else { continue }
            guard isError || !request.method.isIdempotent else { throw NIOTooManyBytesError(maxBytes: limit) }
            bytes.removeLast(bytes.count - limit)
            break
        }
        return bytes
    }

    func open(
        _ request: UpstreamRequest,
        token: AccessToken?,
        range: FileRange?,
        expectedLength: Int64?,
        context: CallContext,
        resends: Int
    ) async throws(ProviderError) -> UpstreamDownload {
        if !request.isPaced { try await waitForHost(request, context) }
        var place = try await pass(request, context)
        let started = time.now()
        let span = span(of: request, context, place, resends: resends)
        do {
            let message = message(for: request, token: token, context: context, span)
            let response = try await begin(message, to: request.url, timeout: request.timeout) {
                span?.set(.resendCount, resends + 1)
                guard let former = place else { return true }
                // The upstream may have received the first call, so the second one takes a place of its own.
                guard let next = try? await self.pass(request, context) else { return false }
                self.budget.answered(former)
                place = next
                return true
            }
            let sent = SentSecrets(request, token: token)
            let headers = UpstreamHeaders(response.headers, without: sent)
            observer?.opened(status: Int(response.status.code), headers: headers, of: request.operation)
            let length = headers["content-length"].flatMap { Int64($0) }
            let now = time.now()
            settle(
                request,
                place,
                status: Int(response.status.code),
                retryAfter: headers.retryAfter(at: now),
                started: started
            )
            // It ends with the head: the bytes come as fast as the client takes them.
            span?.answered(Int(response.status.code))
            var expected = length
            var part: ContentRange?
            switch response.status {
            case .ok:
                if let refusal = request.refusal(headers) { throw refusal }
                // The size known beforehand is that of the file. An encoded body has another one.
                expected = try Self.expectedLength(
                    announced: length,
                    claimed: headers.isEncoded ? nil : expectedLength,
                    isChunked: headers.all("transfer-encoding")?.lowercased().hasSuffix("chunked") ?? false,
                    host: request.url.host
                )
            case .partialContent:
                if let refusal = request.refusal(headers) { throw refusal }
                let answer = PartialContent(headers: headers, host: request.url.host)
                let checked = try answer.range(asked: range)
                (part, expected) = (checked, checked.count)
            case .rangeNotSatisfiable:
                if let range { throw range.notSatisfiable(host: request.url.host) }
            default: break
            }
            return UpstreamDownload(
                status: Int(response.status.code),
                headers: headers,
                contentLength: length,
                range: part,
                bytes: UpstreamBytes(body: response.body, expected: expected, host: request.url.host),
                receivedAt: now,
                sent: sent
            )
        } catch {
            span?.failed(error)
            throw failed(request, place, error, started: started)
        }
    }

    /// Sends a GET and returns the head of the answer. The request is sent once more when the connection ends before the head has come:
    /// the upstream may close a kept connection just when it is used again (RFC 9112, 9.3.1), or have sent bytes on it that answer
    /// nothing. Where `mayRepeat` returns false, the error is thrown.
    private func begin(
        _ message: HTTPClientRequest,
        to url: UpstreamURL,
        timeout: Duration,
        mayRepeat: () async -> Bool
    ) async throws -> HTTPClientResponse {
        let timeout = TimeAmount.milliseconds(timeout.milliseconds)
        let client = transport.client(for: url)
        do {
            return try await client.execute(message, timeout: timeout, logger: transportLogger)
        } catch  where (TransportFailure.wasBrokenOff(error) || error is NeverSent) && !Task.isCancelled {
            guard await mayRepeat() else { throw error }
            return try await client.execute(message, timeout: timeout, logger: transportLogger)
        }
    }

    /// How many bytes of a file must come; nil where the chunked coding marks the end. Throws where the end of the file could not be told
    /// from a broken connection.
    private static func expectedLength(
        announced: Int64?,
        claimed: Int64?,
        isChunked: Bool,
        host: String
    ) throws(ProviderError) -> Int64? {
        guard announced != nil || claimed != nil || isChunked else {
            throw ProviderError(
                .permanent,
                "\(host) sends the file without saying where it ends: a break could not be told from the end."
            )
        }
        return announced ?? (isChunked ? nil : claimed)
    }

    /// AsyncHTTPClient logs whole answers at the trace level, tokens and signed links among them.
    private var transportLogger: Logger {
        var logger = logger
        logger.logLevel = max(logger.logLevel, .debug)
        return logger
    }

    private func message(
        for request: UpstreamRequest,
        token: AccessToken?,
        context: CallContext,
        _ span: GatewaySpan?
    ) -> HTTPClientRequest {
        var message = HTTPClientRequest(url: request.url.reveal())
        message.method = HTTPMethod(rawValue: request.method.rawValue)
        for field in request.headers { message.headers.add(name: field.name, value: field.value) }
        for field in request.secretHeaders { message.headers.add(name: field.name, value: field.value.reveal()) }
        // Upstreams are asked for unencoded bytes: the gateway compresses downloads itself, and decodes nothing on the way.
        if !message.headers.contains(name: "accept-encoding") {
            message.headers.add(name: "accept-encoding", value: "identity")
        }
        message.headers.replaceOrAdd(name: "user-agent", value: "export-gateway")
        message.headers.replaceOrAdd(name: "client-request-id", value: context.requestID)
        if let traceparent = traceparent(span, to: request.url) {
            message.headers.replaceOrAdd(name: TraceContext.field, value: traceparent)
        }
        if let token {
            message.headers.replaceOrAdd(name: "authorization", value: "Bearer " + token.secret.reveal())
            for field in request.bearerHeaders { message.headers.add(name: field.name, value: field.value) }
        }
        if let form = request.form {
            message.headers.replaceOrAdd(name: "content-type", value: "application/x-www-form-urlencoded")
            let pairs = form.map {
                PercentEncoding.encode($0.name) + "=" + PercentEncoding.encode($0.value.reveal())
            }
            message.body = .bytes(ByteBuffer(string: pairs.joined(separator: "&")))
        } else if let body = request.body {
            message.headers.replaceOrAdd(name: "content-type", value: request.bodyType)
            message.body = .bytes(ByteBuffer(bytes: body))
        }
        return message
    }

    private func settle(
        _ request: UpstreamRequest,
        _ place: CallBudget.Place?,
        status: Int,
        retryAfter: Duration?,
        started: Timestamp
    ) {
        let now = time.now()
        if status == 429 || status == 503, let retryAfter { budget.hold(Self.hold(request), for: retryAfter) }
        if let place {
            if status == 429 { budget.throttled(place) }
            budget.answered(place)
            breaker.withLock { breaker in
                if status >= 500, retryAfter == nil { breaker.failed(at: now) } else { breaker.succeeded() }
            }
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

    private func failed(
        _ request: UpstreamRequest,
        _ place: CallBudget.Place?,
        _ error: any Error,
        started: Timestamp
    ) -> ProviderError {
        let now = time.now()
        if let place {
            // The place counts as used unless the call was certainly not sent.
            if TransportFailure.wasNeverSent(error) { budget.giveBack(place) } else { budget.answered(place) }
        }
        if let error = error as? ProviderError { return error }
        if error is CancellationError || Task.isCancelled {
            if request.isPaced { breaker.withLock { $0.gaveUp(at: now) } }
            if error is NeverSent {
                return ProviderError(.transient, "The call was cancelled.", cause: CancellationError())
            }
            return request.method.isIdempotent
                ? ProviderError(.transient, "The call was cancelled.", cause: error)
                : ProviderError(.ambiguous, "The call was cancelled before its answer came.", cause: error)
        }
        if request.isPaced { breaker.withLock { $0.failed(at: now) } }
        record(request, outcome: "failed", took: now - started)
        let proxy = transport.proxy(for: request.url)
        let failure = proxy.flatMap { _ in ProxyFailure(error) }
        var details: Logger.Metadata = [
            "operation": .string(request.operation), "host": .string(request.url.host),
            "reason": .string(failure.map { "proxy: \($0.rawValue)" } ?? TransportFailure.label(error)),
            "milliseconds": .stringConvertible((now - started).milliseconds),
        ]
        if let proxy { details["proxy"] = .string(proxy.url.origin) }
        guard let failure else {
            logger.info("Upstream call failed", metadata: details)
            return TransportFailure.providerError(
                error,
                idempotent: request.method.isIdempotent,
                host: request.url.host
            )
        }
        logger.warning("Upstream call did not get through the proxy", metadata: details)
        Counter(
            label: "export_gateway_proxy_failures_total",
            dimensions: [("connection", settings.connection), ("reason", failure.rawValue)],
            factory: metrics
        )
        .increment()
        return failure.providerError(host: request.url.host, cause: error)
    }

    /// Calls `willStart` before the first byte of a start is sent. When that throws, the call's place is given back.
    private func announce(_ context: CallContext, _ place: CallBudget.Place?) async throws(ProviderError) {
        guard let willStart = context.willStart else { return }
        do throws(ProviderError) {
            try await willStart()
        } catch {
            if let place { budget.giveBack(place) }
            breaker.withLock { $0.gaveUp(at: time.now()) }
            throw error
        }
        guard let place, !budget.sending(place) else { return }
        budget.giveBack(place)
        breaker.withLock { $0.gaveUp(at: time.now()) }
        throw ProviderError(
            .transient,
            "The place of the call in the request budget was lost before anything was sent: another replica leads the budget now."
        )
    }

    private func learnTime(from response: UpstreamResponse) {
        guard let date = response.headers["date"].flatMap({ HTTPDate.parse($0, at: response.receivedAt) }) else {
            return
        }
        let lead = date - response.receivedAt
        // If the clocks differ by more than this, one of them is wrong, and the difference is of no use.
        let bound = Duration.seconds(48 * 3600)
        clockLead.withLock { $0 = lead <= bound && lead >= .zero - bound ? lead : nil }
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
    init(_ headers: HTTPHeaders, without sent: SentSecrets? = nil) {
        let fields = headers.map { (name: $0.name, value: $0.value) }
        self.init(sent?.redacted(fields) ?? fields)
    }
}
