import Audit
import CallerIdentity
import DownloadRelay
import Exports
import HTTPTypes
import Hummingbird
import JSON
import Logging
import Memory
import NIOCore
import Spans
import SystemCrypto

/// Handles a request from beginning to end: assigns its id, checks its limits, finds its route, authenticates and authorizes the
/// caller, answers, and logs.
///
/// It matches the route table itself and does not use Hummingbird's router, because a wrong method must be distinguished from an
/// unknown path, and because every error must pass through one place that turns it into a problem document.
struct GatewayResponder: HTTPResponder {
    typealias Context = GatewayContext

    var listener: Listener
    var connections: ConnectionTable
    let callers: CurrentCallers
    let limits: RequestLimits
    let publicAddress: PublicAddress
    var record: RequestRecord
    let exports: ExportRoutes
    let events: EventRoutes
    let tickets: TicketRoutes
    let providers: ProviderRoutes
    let webhooks: WebhookRoutes
    let audit: AuditRoutes
    let operations: OperationsRoutes

    /// Answers some requests before they come here; nil on the platform's listener, which serves no exports.
    ///
    /// - Parameter logger: Logs the faults that those answers report.
    func direct(_ logger: Logger) -> DirectAnswers? {
        guard listener.has(.getExport), listener.has(.createExport) else { return nil }
        return DirectAnswers(
            callers: callers,
            limits: limits,
            maxWait: exports.maxWait,
            publicAddress: publicAddress,
            isAudited: audit.service != nil,
            record: record,
            answers: ReadyAnswers(service: exports.service),
            memory: exports.memory,
            maxBodyBytes: exports.bodies.limit,
            logger: logger
        )
    }

    func respond(to request: Request, context: GatewayContext) async throws -> Response {
        var random = SystemRandom()
        let requestID = RequestID.of(request.headers, random: &random)
        var logger = context.logger
        logger[metadataKey: "hb.request.id"] = nil
        logger[metadataKey: "request_id"] = .string(requestID)
        var entry = RequestRecord.Entry(
            requestID: requestID,
            start: record.time.elapsed(),
            method: HTTPMetrics.label(of: request.method),
            route: HTTPMetrics.noRoute
        )
        let target = RequestTarget(request.head.path ?? "")
        let callers = callers.current
        record.metrics.began()
        var response: Response
        var isDecided = false
        do {
            let headBytes = try limits.check(request.head)
            // Probes and scrapers name the machine by any of its addresses, and there is nothing for a web page where they ask.
            if listener != .platform { try callers.localHosts?.check(request.head.authority) }
            guard let target else {
                throw GatewayError(.malformedRequest, "The request target is not a path with valid percent-encoding.")
            }
            if listener != .platform, let console = callers.console,
                let resource = console.resource(at: target.segments)
            {
                entry.route = resource.pattern
                response = try console.answer(request, for: resource)
            } else {
                let call = try await call(
                    request,
                    target,
                    headBytes,
                    context.channel,
                    callers,
                    &entry,
                    &isDecided,
                    logger
                )
                let span = entry.span
                // In a new task, whose memory is freed when it ends. The task of the connection would keep the memory of the
                // deepest call for as long as the client reads the answer.
                async let answering = answer(call, span)
                response = try await answering
            }
        } catch {
            let problem = ProblemDocument.unexpected(error)
            entry.code = problem.code
            report(problem, request, entry, context.channel)
            if !isDecided { record.trace(&entry, traceparent: Self.traceparent(request), isKnown: false) }
            ProblemDocument.report(problem, logger)
            // A path with a ticket is a secret, which may come into the hands of whoever collects problems.
            let path = entry.isByTicket ? nil : target?.path
            response = ProblemDocument.response(to: problem, path: path, requestID: requestID)
        }
        entry.standing?.add(to: &response.headers)
        response.headers[.requestID] = requestID
        // Only the console is a web page, and says so. This field prevents that a browser guesses otherwise.
        response.headers[.xContentTypeOptions] = "nosniff"
        if request.method == .head { response = Self.withoutContent(response) }
        if response.headers[.contentType] == MediaType.events.rawValue {
            entry.body = .events
        } else if entry.code == nil, request.method == .get, OctetStream.isTypeOf(response) {
            entry.body = .file
        }
        return record.tracked(response, entry, on: context.channel)
    }

    /// Tells the audit trail of a request that is refused because of who makes it.
    private func report(
        _ problem: GatewayError,
        _ request: Request,
        _ entry: RequestRecord.Entry,
        _ channel: any Channel
    ) {
        guard let service = audit.service,
            [.unauthorized, .forbidden].contains(ProblemDocument.status(of: problem.code))
        else { return }
        service.denied(
            AuditDenial(
                origin: AuditOrigin(
                    caller: entry.caller,
                    address: publicAddress.client(of: request.headers, from: channel.remoteAddress),
                    requestID: entry.requestID
                ),
                code: problem.code,
                request: "\(entry.method) \(entry.route)",
                exportID: entry.export
            )
        )
    }

    /// The call that a request makes: its route, and its caller, who may make it.
    private func call(
        _ request: Request,
        _ target: RequestTarget,
        _ headBytes: Int,
        _ channel: any Channel,
        _ callers: CallersInForce,
        _ entry: inout RequestRecord.Entry,
        _ isDecided: inout Bool,
        _ logger: Logger
    ) async throws -> Call {
        let (route, parameters) = try route(request.method, target)
        entry.route = route.pattern
        entry.isByTicket = route.authority == .ticket
        entry.export = parameters["id"].flatMap { ExportID($0) }
        let caller: Caller
        var opened: Ticket?
        switch route.authority {
        case .credential: caller = try await callers.authentication.caller(of: request.headers, on: channel)
        case .none: caller = .anonymous
        case .ticket:
            let ticket = try tickets.ticket(parameters["ticket"], for: callers.authentication)
            caller = ticket.caller
            entry.export = ticket.export
            opened = ticket
        }
        // Probes and scrapes come all the time, and nobody needs a trace of them.
        if route.authority != .none {
            record.trace(&entry, traceparent: Self.traceparent(request), isKnown: true)
        }
        isDecided = true
        let isHeadHeld = route.needsCaller && connections.authenticated(channel)
        entry.caller = caller.id
        entry.limiter = callers.limiter
        // Before the permission is checked: what is forbidden costs the caller too.
        if route.authority != .none { entry.standing = try callers.limiter.request(by: caller.id) }
        // 512 bytes less, because the first line and the host were not counted.
        if route.needsCaller, isHeadHeld || headBytes > RequestBytes.allowance - 512 {
            try await Self.charge(to: caller, on: channel)
        }
        if let permission = route.permission(with: target.query) { try caller.require(permission) }
        if let type = route.negotiates { try Self.negotiate(type, request.headers) }
        if !route.takesQuery { _ = try QueryParser(target.query, allowed: []) }
        if !route.isDownload { try RequestFields(request.headers).refuseDownloadAuthorization() }
        return Call(
            request: request,
            route: route,
            parameters: parameters,
            query: target.query,
            links: Links(
                base: publicAddress.base(of: request.headers, from: channel.remoteAddress),
                path: target.segments.map(\.raw)
            ),
            caller: caller,
            callers: callers,
            ticket: opened,
            requestID: entry.requestID,
            address: audit.service == nil
                ? nil : publicAddress.client(of: request.headers, from: channel.remoteAddress),
            channel: channel,
            logger: logger
        )
    }

    /// Charges a long head to its caller as long as its request is under way.
    private static func charge(to caller: Caller, on channel: any Channel) async throws {
        do {
            try await channel.triggerUserOutboundEvent(ConnectionHandler.CallerKnown(caller: caller.id)).get()
        } catch let refusal as MemoryRefusal {
            throw RequestLimits.refusal(refusal)
        } catch {
            // The channel has no such handler, or is closed: it holds no bytes then.
        }
    }

    private func route(
        _ method: HTTPRequest.Method,
        _ target: RequestTarget
    ) throws(GatewayError) -> (Route, [String: String]) {
        switch RouteTable.match(method, target.segments, on: listener) {
        case .route(let route, let parameters):
            return (route, parameters)
        case .otherMethods(let allowed):
            throw GatewayError(
                .methodNotAllowed,
                "This resource has \(allowed.map(\.rawValue).joined(separator: ", ")) only.",
                members: .allow(allowed.map(\.rawValue))
            )
        case .nothing:
            throw GatewayError(.notFound, "There is no such resource; /openapi.yaml lists those there are.")
        }
    }

    /// The answer with its fields and without content: content would be sent and read as the next answer.
    private static func withoutContent(_ response: Response) -> Response {
        var head = response
        head.body = .init()
        // Setting the body also sets the length. But the field must have the length that a GET would have.
        head.headers[.contentLength] = response.headers[.contentLength]
        return head
    }

    private static func negotiate(_ type: MediaType, _ headers: HTTPFields) throws(GatewayError) {
        let lines = headers[values: .accept]
        guard type.isAccepted(by: lines.isEmpty ? nil : lines.joined(separator: ", ")) else {
            throw GatewayError(.notAcceptable, "This resource is \(type.rawValue); Accept leaves that out.")
        }
    }

    /// Most answers are made on Swift's thread pool. Short ones stay on the event loop of the connection, as the rest of
    /// `RequestChannel` does: to hand them over would cost more than to make them.
    private func answer(_ call: Call, _ span: GatewaySpan?) async throws -> Response {
        try await span.run {
            if call.isShort { return try await answerHere(call) }
            return try await withTaskExecutorPreference(globalConcurrentExecutor) { try await answerHere(call) }
        }
    }

    /// The field `traceparent`; nil where it came several times, which counts as none
    /// (https://www.w3.org/TR/trace-context/#traceparent-header).
    private static func traceparent(_ request: Request) -> String? {
        let lines = request.headers[values: .traceparent]
        return lines.count == 1 ? lines[0] : nil
    }

    private func answerHere(_ call: Call) async throws -> Response {
        switch call.route.operation {
        case .createExport: try await exports.create(call)
        case .listExports: try await exports.list(call)
        case .getExport: try await exports.get(call)
        case .streamEvents: try await events.ofExports(call)
        case .streamExportEvents: try await events.ofExport(call)
        case .getExportOperation: try await exports.operation(call)
        case .cancelExport: try await exports.cancel(call)
        case .resolveExport: try await exports.resolve(call)
        case .retainExport: try await exports.setRetained(true, call)
        case .releaseExport: try await exports.setRetained(false, call)
        case .listExportFiles: try await exports.files(call)
        case .listExportDeliveries: try await exports.deliveries(call)
        case .downloadExportFile: try await exports.file(call, .get)
        case .headExportFile: try await exports.file(call, .head)
        case .downloadExportContent: try await exports.content(call, .get)
        case .headExportContent: try await exports.content(call, .head)
        case .createDownloadTicket: try await tickets.create(call)
        case .downloadByTicket: try await tickets.download(call, .get)
        case .headByTicket: try await tickets.download(call, .head)
        case .listProviders: try providers.list(call)
        case .getProvider: try providers.get(call)
        case .createWebhook: try await webhooks.create(call)
        case .listWebhooks: try await webhooks.list(call)
        case .getWebhook: try await webhooks.get(call)
        case .updateWebhook: try await webhooks.update(call)
        case .deleteWebhook: try await webhooks.delete(call)
        case .rotateWebhookSecret: try await webhooks.rotateSecret(call)
        case .testWebhook: try await webhooks.test(call)
        case .listWebhookDeliveries: try await webhooks.deliveries(call)
        case .replayWebhookDelivery: try await webhooks.replay(call)
        case .replayWebhookDeliveries: try await webhooks.replayFailed(call)
        case .listAuditRows: try await audit.list(call)
        case .getLiveness: operations.liveness()
        case .getReadiness: try await operations.readiness()
        case .getMetrics: operations.figures()
        case .reloadConfiguration: try await operations.reloadConfiguration(call)
        case .getOpenAPI: operations.openAPI()
        }
    }
}
