import CallerIdentity
import Exports
import HTTPTypes
import Hummingbird
import Logging
import NIOCore
import NIOHTTP1
import Spans

/// A create request that is answered on the event loop.
struct CreateRequest: Sendable {
    var draft: ExportDraft
    var viewer: Viewer
    /// Makes the links in the answer.
    var links: Links
    var entry: RequestRecord.Entry
    /// The request to pass on if it is answered elsewhere after all.
    var head: HTTPRequestHead
    var body: ByteBuffer
    /// Why it is refused: the caller has sent too many requests.
    var refusal: GatewayError?
}

/// `POST /exports`.
extension DirectAnswers {
    /// The most bytes of a create request that is read here, head and body together. They belong to the cost of any connection, so
    /// nothing is reserved for them, and nothing is charged to the caller.
    private static let mostBytes = RequestBytes.allowance - 512

    /// Whether a create request with this head may be answered here, if its whole body comes with it.
    static func isShort(_ head: HTTPRequestHead, _ fields: KnownFields) -> Bool {
        guard let length = fields.contentLength, length > 0, length <= mostBytes else { return false }
        return head.uri.utf8.count + fields.allBytes + length <= mostBytes
    }

    /// The create request; nil for one that is not answered here, and nothing has happened then. All that the responder refuses
    /// is left to it.
    func creation(
        _ head: HTTPRequestHead,
        _ fields: KnownFields,
        _ body: ByteBuffer,
        _ known: inout KnownCaller?,
        from peer: @autoclosure () -> SocketAddress?
    ) -> CreateRequest? {
        let start = record.time.elapsed()
        let callers = callers.current
        guard body.readableBytes <= maxBodyBytes, let caller = caller(head, fields, &known, among: callers),
            caller.permissions.allow(.create),
            Self.acceptsJSON(fields.accept), MediaType.isJSON(contentType: fields.contentType)
        else { return nil }
        let draft: ExportDraft
        do {
            let key = try fields.idempotencyKey.map(RequestFields.idempotencyKey(in:))
            draft = try ExportRoutes.draft(Array(body.readableBytesView), key, caller, answers.service.providers)
        } catch {
            return nil
        }
        let requestID = Self.requestID(fields)
        var request = CreateRequest(
            draft: draft,
            viewer: callers.creator(
                caller,
                token: nil,
                requestID: requestID,
                address: client(head, from: peer())
            ),
            links: Links(base: base(head, fields, from: peer()), path: ["exports"]),
            entry: RequestRecord.Entry(
                requestID: requestID,
                start: start,
                method: "POST",
                route: "/exports",
                caller: caller.id,
                limiter: callers.limiter
            ),
            head: head,
            body: body
        )
        record.trace(&request.entry, traceparent: fields.traceparent, isKnown: true)
        request.refusal = count(&request.entry)
        return request
    }

    /// Creates the export, and calls `then` on the event loop; see `ExportService.create`.
    func create(
        _ request: CreateRequest,
        on loop: any EventLoop,
        then: @escaping @Sendable (Result<Creation, GatewayError>) -> Void
    ) -> Bool {
        request.entry.span.runNow {
            answers.service.create(request.draft, for: request.viewer, on: { loop.execute($0) }, then: then)
        }
    }

    /// The answer to a create request.
    func answer(_ request: CreateRequest, with outcome: Result<Creation, GatewayError>) -> Answer {
        switch outcome {
        case .success(let creation):
            let (response, body) = ExportRoutes.accepted(creation, request.links, answers)
            return answer(response, body, request.entry)
        case .failure(let problem):
            return answer(problem, request.entry, path: "/exports")
        }
    }
}
