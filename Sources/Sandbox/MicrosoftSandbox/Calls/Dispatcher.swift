import HTTPFields
import Exports
import HTTPTypes
import Hummingbird
import HummingbirdCore
import JSON
import NIOCore
import ServiceLifecycle

/// Reads a request, finds its operation, applies the rules, and lets the service answer.
struct Dispatcher: HTTPResponder {
    let world: World
    let listener: Listener

    func respond(to request: Request, context: SandboxContext) async throws -> Response {
        let path = RequestPath(request.uri.path)
        if listener == .api, path.segments.first == "_sandbox" {
            return try await ControlPlane(world: world).answer(request, path: path, channel: context.channel)
        }
        let match = table.match(method: request.method.rawValue, path: path)
        var call = Call(
            operation: .unknown,
            service: UnknownService.self,
            listener: listener,
            captures: [:],
            method: request.method,
            rawPath: request.uri.path,
            query: QueryText(request.uri.query ?? ""),
            rawQuery: request.uri.query ?? "",
            authority: request.head.authority,
            headers: request.headers,
            body: ByteBuffer(),
            now: world.time.now(),
            channel: context.channel
        )
        if case .found(let operation, let service, let captures) = match {
            (call.operation, call.service, call.captures) = (operation, service, captures)
        }
        do {
            call.body = try await request.body.collect(upTo: 1 << 20)
        } catch is NIOTooManyBytesError {
            world.calls.note(call, status: 413)
            return Response(status: .contentTooLarge)
        }
        takeFaults(&call, world.connections.noteCall(on: context.channel))
        if case .slow(let milliseconds) = call.faults[.delay] {
            try await cancelWhenGracefulShutdown { try await world.time.sleep(for: .milliseconds(milliseconds)) }
            call.now = world.time.now()
        }
        return try await answer(call, match, on: context.channel)
    }

    private func answer(_ call: Call, _ match: RouteTable.Match, on channel: any Channel) async throws -> Response {
        if startsAnyway(call) { _ = serviceAnswer(call, match) }
        // Returned where the connection is closed already, so nobody receives it.
        let nothing = Response(status: .internalServerError)
        switch call.faults[.answer] {
        case .cutConnection(_, let reset):
            world.calls.note(call, status: 0)
            try await channel.cut(reset: reset)
            return nothing
        case .raw(let text, _):
            world.calls.note(call, status: 0)
            try await RawAnswer(text).send(on: channel)
            return nothing
        default: break
        }
        let right = faultyAnswer(call) ?? serviceAnswer(call, match)
        let response = try await ChangedAnswer(call: call).response(from: right)
        world.calls.note(call, status: response.status.code)
        guard case .framing(let framing) = call.faults[.framing] else { return response }
        try await RawAnswer(response, framing: framing).send(on: channel)
        return nothing
    }

    /// Whether the call is carried out although its answer says otherwise, or does not come.
    private func startsAnyway(_ call: Call) -> Bool {
        switch call.faults[.answer] {
        case .cutConnection(let started, _), .raw(_, let started), .status(_, _, _, let started): started
        default: false
        }
    }

    private var table: RouteTable {
        switch listener {
        case .api, .secure: .api
        case .proxy: .proxy
        case .blob: .blob
        }
    }

    private func takeFaults(_ call: inout Call, _ connection: SandboxConnection) {
        let service = call.service.init(world: world, call: call)
        let job = service.jobSpokenOf
        var subjects = [call.rawPath, PercentEncoding.decodeLeniently(call.rawPath)]
        subjects += job?.subjects ?? []
        subjects += call.json?.object?.values.compactMap(\.string) ?? []
        subjects += service.subjects
        call.faults = world.rules.take(
            call.operation,
            subjects: subjects,
            jobIsOpen: job?.isOpen(at: call.now) ?? false,
            connection: connection
        )
        if let job { world.jobs.update(job.id) { $0.take(call.faults, asStart: false) } }
        if call.faults.has(.tokenRevoked), let token = call.bearer { world.tokens.revoke(token) }
    }

    private func serviceAnswer(_ call: Call, _ match: RouteTable.Match) -> Response {
        if case .wrongMethod(let allow) = match {
            var response = GraphAnswer(world: world, call: call).notAllowed
            response.headers[.allow] = allow.joined(separator: ", ")
            return response
        }
        return call.service.init(world: world, call: call).answer()
    }

    /// The answer that a fault gives in place of the service.
    private func faultyAnswer(_ call: Call) -> Response? {
        switch call.faults[.answer] {
        case .throttled(let retryAfter, let withoutHeader):
            var response = call.service.init(world: world, call: call).throttled
            response.headers[.retryAfter] = withoutHeader ? nil : retryAfter ?? "1"
            return response
        case .status(let status, let body, let headers, _):
            var fields = HTTPFields()
            for (name, value) in headers { HTTPField.Name(name).map { fields[$0] = value } }
            let text = body ?? ""
            if fields[.contentType] == nil, !text.isEmpty { fields[.contentType] = "application/json" }
            return Response(
                status: .init(code: status),
                headers: fields,
                body: ResponseBody(byteBuffer: ByteBuffer(string: text))
            )
        case .echo(let status, let writing):
            return EchoAnswer(call: call, status: status, writing: writing).response
        case .htmlSignIn: return .signInPage
        case .consentRequired: return EntraAnswer(world: world, call: call).error(.consentRequired)
        case .interactionRequired(let claims):
            return EntraAnswer(world: world, call: call).error(.interactionRequired(claims: claims))
        case .identityNotFound: return ManagedIdentity(world: world, call: call).identityNotFound
        default: return nil
        }
    }
}
