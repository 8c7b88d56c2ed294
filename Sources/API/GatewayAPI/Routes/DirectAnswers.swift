import HTTPFields
import Exports
import HTTPTypes
import Memory
import NIOCore
import NIOHTTP1
import NIOHTTPTypesHTTP1
import SystemCrypto

/// Answers what is asked for most without a task: `GET` and `HEAD` of an export, or of its operation.
///
/// The answers, the figures and the line in the log are those of `GatewayResponder`, to the byte. It knows only what it is
/// certain of: everything else, a request with a field that is not listed in `StatusFields` among it, is the responder's.
struct DirectAnswers: Sendable {
    /// One answer, and what is to be written down of it.
    struct Answer: Sendable {
        /// Head and body, as they are sent.
        var bytes: ByteBuffer
        fileprivate var status: HTTPResponse.Status
        fileprivate var bodyBytes: Int
        fileprivate var entry: RequestRecord.Entry
    }

    /// What the first line of a request asks for.
    struct Target: Sendable {
        var id: ExportID
        var isOperation: Bool
    }

    /// Bytes of memory that a request takes while it waits here for a change: its head, its timer, its place among those who
    /// watch the export, and what it is answered with. Measured, see the design.
    static let waitCost = 8 << 10

    /// Longer ones are sent piece by piece, as the client takes them: those of exports with more files.
    private static let mostFiles = 100

    let authentication: Authentication
    let limits: RequestLimits
    let maxWait: Duration
    let publicAddress: PublicAddress
    let record: RequestRecord
    let answers: ReadyAnswers
    let memory: MemoryBudget
    let date = DateField()

    /// What a request asks for that may be one to be answered here, by its first line alone: `/exports/{id}` and
    /// `/exports/{id}/operation`, spelled as here and without a query. Nil for all others.
    static func target(of head: HTTPRequestHead) -> Target? {
        guard head.method == .GET || head.method == .HEAD else { return nil }
        var path = head.uri
        return path.withUTF8 { path in
            let (prefix, suffix, idLength): (StaticString, StaticString, Int) = ("/exports/", "/operation", 36)
            let id = prefix.utf8CodeUnitCount..<prefix.utf8CodeUnitCount + idLength
            let isOperation = path.count == id.upperBound + suffix.utf8CodeUnitCount
            guard isOperation || path.count == id.upperBound, path.hasText(prefix, at: 0),
                !isOperation || path.hasText(suffix, at: id.upperBound)
            else { return nil }
            return ExportID(utf8: UnsafeBufferPointer(rebasing: path[id]))
                .map { Target(id: $0, isOperation: isOperation) }
        }
    }

    /// The request that a head without a body is; nil for one that is not answered here: nothing has happened then.
    ///
    /// - Parameter peer: Who opened the connection: asked only where it matters, for that is a question to the system.
    func request(
        _ head: HTTPRequestHead,
        _ target: Target,
        _ fields: StatusFields,
        from peer: @autoclosure () -> SocketAddress?
    ) -> StatusRequest? {
        guard fields.bytes <= limits.maxHeaderBytes,
            head.uri.utf8.count <= limits.maxTargetBytes,
            let caller = authentication.callerAtOnce(authorization: fields.authorization),
            caller.permissions.allow(.read), Self.acceptsJSON(fields.accept)
        else { return nil }
        let isHead = head.method == .HEAD
        return StatusRequest(
            id: target.id,
            document: target.isOperation ? .operation : .export(base: base(head, fields, from: peer())),
            isHead: isHead,
            owner: caller.owner,
            ifNoneMatch: fields.ifNoneMatch,
            wait: fields.prefer.flatMap { Preference.wait(in: $0, most: maxWait) },
            entry: RequestRecord.Entry(
                requestID: Self.requestID(fields),
                start: record.time.elapsed(),
                method: isHead ? "HEAD" : "GET",
                route: target.isOperation ? Self.operationRoute : Self.exportRoute,
                caller: caller.id,
                export: target.id
            )
        )
    }

    /// The export where it is at hand, and the caller's to see.
    func atHand(_ request: StatusRequest) -> ExportSnapshot? {
        answers.service.snapshot(of: request.id, owner: request.owner)
    }

    /// Finds the export in the ledger, and tells `then`; see `ExportService.find`.
    func find(_ request: StatusRequest, then: @escaping @Sendable (ExportSnapshot?) -> Void) {
        answers.service.find(request.id, owner: request.owner, then: then)
    }

    /// Waits for a state after `snapshot`, and tells `then`; see `ExportService.watch`.
    func watch(
        _ request: StatusRequest,
        beyond snapshot: ExportSnapshot,
        then: @escaping @Sendable (Export?) -> Void
    ) -> (any ExportWatch)? {
        answers.service.watch(request.id, beyond: snapshot.export.revision, then: then)
    }

    /// The memory for a request that waits for a change; nil where there is none left for it.
    func memoryToWait(_ request: StatusRequest) -> MemoryReservation? {
        try? memory.reserve(Self.waitCost, .wait, for: request.entry.caller)
    }

    /// Whether the answer is short enough to be made, and sent at once, on an event loop.
    func isSmall(_ snapshot: ExportSnapshot) -> Bool { snapshot.export.files.count <= Self.mostFiles }

    /// The newest of what is known of an export: what is at hand, or `news`, or else `known`.
    func latest(_ request: StatusRequest, known: ExportSnapshot, news: Export?) -> ExportSnapshot {
        let newest = news.flatMap { $0.revision > known.export.revision ? ExportSnapshot($0) : nil } ?? known
        guard let snapshot = atHand(request), snapshot.export.revision >= newest.export.revision else { return newest }
        return snapshot
    }

    /// The answer to a request about this state.
    func answer(_ request: StatusRequest, with snapshot: ExportSnapshot) -> Answer {
        let ready = answers.answer(snapshot, as: request.document)
        let isUnchanged = request.ifNoneMatch.map(ready.isNamed) ?? false
        let head = isUnchanged ? ready.headOfUnchanged : ready.head
        let body = isUnchanged || request.isHead ? nil : ready.body
        var bytes = ByteBufferAllocator().buffer(capacity: head.count + 256 + (body?.readableBytes ?? 0))
        bytes.writeBytes(head)
        if let wait = request.wait {
            bytes.writeString("\(HTTPField.Name.preferenceApplied.rawName): \(Preference.applied(wait: wait))\r\n")
        }
        bytes.writeStaticString("X-Request-Id: ")
        bytes.writeString(request.entry.requestID)
        bytes.writeStaticString("\r\nX-Content-Type-Options: nosniff\r\nDate: ")
        bytes.writeString(date.value)
        bytes.writeStaticString("\r\n\r\n")
        if let body { bytes.writeImmutableBuffer(body) }
        return Answer(
            bytes: bytes,
            status: isUnchanged ? .notModified : .ok,
            bodyBytes: body?.readableBytes ?? 0,
            entry: request.entry
        )
    }

    /// A request is being answered here.
    func began() { record.metrics.began() }

    /// It is not, after all.
    func abandoned() { record.metrics.abandoned() }

    /// Writes an answer down, when it is sent.
    func sent(_ answer: Answer) {
        record.finish(answer.entry, status: answer.status, bytes: Int64(answer.bodyBytes), complete: true)
    }

    private static let exportRoute = "/exports/{id}"
    private static let operationRoute = "/exports/{id}/operation"

    private func base(
        _ head: HTTPRequestHead,
        _ fields: StatusFields,
        from peer: @autoclosure () -> SocketAddress?
    ) -> String? {
        // To make fields of them takes long.
        guard fields.isForwarded else { return publicAddress.base(of: [:], from: nil) }
        var forwarded = HTTPFields()
        for name in [HTTPField.Name.forwarded, .xForwardedHost, .xForwardedProto, .xForwardedPrefix] {
            forwarded[values: name] = head.headers[name.rawName]
        }
        return publicAddress.base(of: forwarded, from: peer())
    }

    private static func acceptsJSON(_ field: String?) -> Bool {
        guard let field, field != "*/*", field != MediaType.json.rawValue else { return true }
        return MediaType.json.isAccepted(by: field)
    }

    private static func requestID(_ fields: StatusFields) -> String {
        if let id = fields.requestID.map({ String(FieldList.trimmed($0)) }), RequestID.isValid(id) { return id }
        var random = SystemRandom()
        return RequestID.make(using: &random)
    }
}

extension UnsafeBufferPointer<UInt8> {
    /// Whether `text` stands at a place.
    fileprivate func hasText(_ text: StaticString, at place: Int) -> Bool {
        guard place + text.utf8CodeUnitCount <= count else { return false }
        for index in 0..<text.utf8CodeUnitCount where self[place + index] != text.utf8Start[index] { return false }
        return true
    }
}
