import CallerIdentity
import HTTPFields
import Exports
import HTTPTypes
import Hummingbird
import Logging
import Memory
import NIOCore
import NIOHTTP1
import NIOHTTPTypesHTTP1
import SystemCrypto

/// Answers the most frequent requests without a task: `GET` and `HEAD` of an export, or of its operation, and `POST /exports` with a
/// short body.
///
/// The answers, the metrics and the log line are those of `GatewayResponder`, to the byte. It answers only where it is certain.
/// Everything else is left to the responder, such as a request with a field that is not listed in `KnownFields`.
struct DirectAnswers: Sendable {
    /// One answer, and its record for log and metrics.
    struct Answer: Sendable {
        /// The bytes of head and body.
        var bytes: ByteBuffer
        var status: HTTPResponse.Status
        var bodyBytes: Int
        var entry: RequestRecord.Entry
    }

    /// What the first line of a request asks for.
    enum Target: Sendable {
        /// To create an export.
        case exports
        case export(ExportID)
        case operation(ExportID)
    }

    /// The bytes of memory that a request uses while it waits here for a change: its head, its timer, its watch of the export,
    /// and its answer. Measured (`Capacity, Memory`).
    static let waitCost = 8 << 10

    /// Exports with more files have longer answers, which are sent piece by piece as the client reads them.
    private static let mostFiles = 100

    let callers: CurrentCallers
    let limits: RequestLimits
    let maxWait: Duration
    let publicAddress: PublicAddress
    /// Whether an audit trail is kept, which has the addresses of clients.
    let isAudited: Bool
    let record: RequestRecord
    let answers: ReadyAnswers
    let memory: MemoryBudget
    let maxBodyBytes: Int
    let logger: Logger
    let date = DateField()

    /// The target of a request that may be answered here, by its first line and its fields: `/exports` for `POST`, and
    /// `/exports/{id}` and `/exports/{id}/operation` for `GET` and `HEAD`, spelled exactly so and without a query. Nil for all
    /// others.
    ///
    /// - Parameter fields: Read only where the first line fits.
    static func target(of head: HTTPRequestHead, _ fields: @autoclosure () -> KnownFields?) -> (Target, KnownFields)? {
        let isCreation = head.method == .POST
        guard isCreation || head.method == .GET || head.method == .HEAD else { return nil }
        var path = head.uri
        let target = path.withUTF8 { isCreation ? creation($0) : status($0) }
        // A request without content, or a create request.
        guard let target, let fields = fields(), fields.areOfCreation == isCreation,
            !isCreation || isShort(head, fields)
        else { return nil }
        return (target, fields)
    }

    private static func creation(_ path: UnsafeBufferPointer<UInt8>) -> Target? {
        let exports: StaticString = "/exports"
        return path.count == exports.utf8CodeUnitCount && path.hasText(exports, at: 0) ? .exports : nil
    }

    private static func status(_ path: UnsafeBufferPointer<UInt8>) -> Target? {
        let (prefix, suffix, idLength): (StaticString, StaticString, Int) = ("/exports/", "/operation", 36)
        let id = prefix.utf8CodeUnitCount..<prefix.utf8CodeUnitCount + idLength
        let isOperation = path.count == id.upperBound + suffix.utf8CodeUnitCount
        guard isOperation || path.count == id.upperBound, path.hasText(prefix, at: 0),
            !isOperation || path.hasText(suffix, at: id.upperBound)
        else { return nil }
        return ExportID(utf8: UnsafeBufferPointer(rebasing: path[id]))
            .map { isOperation ? .operation($0) : .export($0) }
    }

    /// The request for the state of an export; nil for one that is not answered here, and nothing has happened then.
    ///
    /// - Parameters:
    ///   - known: The last caller on this connection.
    ///   - peer: The other end of the connection. Called only where it is needed, because it is a system call.
    func request(
        _ head: HTTPRequestHead,
        _ id: ExportID,
        isOperation: Bool,
        _ fields: KnownFields,
        _ known: inout KnownCaller?,
        from peer: @autoclosure () -> SocketAddress?
    ) -> StatusRequest? {
        let callers = callers.current
        guard let caller = caller(head, fields, &known, among: callers), caller.permissions.allow(.read),
            Self.acceptsJSON(fields.accept)
        else { return nil }
        let isHead = head.method == .HEAD
        var request = StatusRequest(
            id: id,
            document: isOperation ? .operation : .export(base: base(head, fields, from: peer())),
            isHead: isHead,
            viewer: caller.viewer(token: nil, downloadToken: nil),
            ifNoneMatch: fields.ifNoneMatch,
            wait: fields.prefer.flatMap { Preference.wait(in: $0, most: maxWait) },
            entry: RequestRecord.Entry(
                requestID: Self.requestID(fields),
                start: record.time.elapsed(),
                method: isHead ? "HEAD" : "GET",
                route: isOperation ? Self.operationRoute : Self.exportRoute,
                caller: caller.id,
                limiter: callers.limiter,
                export: id
            )
        )
        record.trace(&request.entry, traceparent: fields.traceparent, isKnown: true)
        request.refusal = count(&request.entry)
        return request
    }

    /// Counts a request that is answered here. Returns why it is refused.
    func count(_ entry: inout RequestRecord.Entry) -> GatewayError? {
        guard let caller = entry.caller else { return nil }
        do throws(GatewayError) {
            entry.standing = try entry.limiter?.request(by: caller)
            return nil
        } catch {
            return error
        }
    }

    /// A request that was counted here is passed on, and counted again.
    func passesOn(_ entry: RequestRecord.Entry) {
        if let caller = entry.caller { entry.limiter?.passesOn(requestBy: caller) }
    }

    /// The last caller on a connection, by its line of `Authorization`. The next request nearly always has the same line: then the
    /// key's digest is not computed again. With other callers in force, nobody is known.
    ///
    /// A proxy may send the requests of several clients on one connection, so the lines are compared in constant time.
    struct KnownCaller {
        private let line: SecretBytes
        private let callers: CallersInForce
        fileprivate let caller: Caller

        fileprivate init(_ line: String, _ caller: Caller, among callers: CallersInForce) {
            self.line = SecretBytes(Array(line.utf8))
            self.callers = callers
            self.caller = caller
        }

        fileprivate func has(_ line: String, among callers: CallersInForce) -> Bool {
            self.callers === callers && constantTimeEquals(Array(line.utf8), self.line.reveal())
        }
    }

    /// The caller, where that is known at once and the head is within its limits.
    func caller(
        _ head: HTTPRequestHead,
        _ fields: KnownFields,
        _ known: inout KnownCaller?,
        among callers: CallersInForce
    ) -> Caller? {
        guard fields.bytes <= limits.maxHeaderBytes, head.uri.utf8.count <= limits.maxTargetBytes else { return nil }
        if let localHosts = callers.localHosts, let host = head.headers.first(name: "host"), !localHosts.allows(host) {
            return nil
        }
        guard let line = fields.authorization else { return callers.authentication.callerAtOnce(authorization: nil) }
        if let known, known.has(line, among: callers) { return known.caller }
        let caller = callers.authentication.callerAtOnce(authorization: line)
        if let caller { known = KnownCaller(line, caller, among: callers) }
        return caller
    }

    /// The export where it is in memory and the caller may see it.
    func inMemory(_ request: StatusRequest) -> ExportSnapshot? {
        answers.service.snapshot(of: request.id, for: request.viewer)
    }

    /// Finds the export in the ledger, and calls `then`; see `ExportService.find`.
    func find(_ request: StatusRequest, then: @escaping @Sendable (ExportSnapshot?) -> Void) {
        answers.service.find(request.id, for: request.viewer, then: then)
    }

    /// Waits for a newer state than `snapshot`, and calls `then`; see `ExportService.watch`.
    func watch(
        _ request: StatusRequest,
        beyond snapshot: ExportSnapshot,
        then: @escaping @Sendable (Export?) -> Void
    ) -> (any ExportWatch)? {
        answers.service.watch(request.id, beyond: snapshot.export.revision, then: then)
    }

    /// Reserves the memory for a request that waits for a change; nil where there is none left.
    func memoryToWait(_ request: StatusRequest) -> MemoryReservation? {
        try? memory.reserve(Self.waitCost, .wait, for: request.entry.caller)
    }

    /// Whether the answer is short enough to be made, and sent at once, on an event loop.
    func isSmall(_ snapshot: ExportSnapshot) -> Bool { snapshot.export.files.count <= Self.mostFiles }

    /// The newest snapshot of an export: the one in memory, or `news`, or else `known`.
    func latest(_ request: StatusRequest, known: ExportSnapshot, news: Export?) -> ExportSnapshot {
        let newest = news.flatMap { $0.revision > known.export.revision ? ExportSnapshot($0) : nil } ?? known
        guard let snapshot = inMemory(request), snapshot.export.revision >= newest.export.revision else {
            return newest
        }
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
        request.entry.standing?.write(to: &bytes)
        endHead(request.entry.requestID, &bytes)
        if let body { bytes.writeImmutableBuffer(body) }
        return Answer(
            bytes: bytes,
            status: isUnchanged ? .notModified : .ok,
            bodyBytes: body?.readableBytes ?? 0,
            entry: request.entry
        )
    }

    /// The answer to a request for a state that is refused.
    func answer(_ request: StatusRequest, to path: String, with problem: GatewayError) -> Answer {
        answer(problem, request.entry, path: path, isHead: request.isHead)
    }

    /// The answer to a request that has failed.
    func answer(_ problem: GatewayError, _ entry: RequestRecord.Entry, path: String, isHead: Bool = false) -> Answer {
        var entry = entry
        entry.code = problem.code
        var logger = logger
        logger[metadataKey: "request_id"] = .string(entry.requestID)
        ProblemDocument.report(problem, logger)
        let (response, body) = ProblemDocument.answer(to: problem, path: path, requestID: entry.requestID)
        return answer(response, isHead ? nil : body, entry)
    }

    /// An answer that was not made here, as bytes.
    func answer(_ response: Response, _ body: ByteBuffer?, _ entry: RequestRecord.Entry) -> Answer {
        let status = response.status
        var headers = response.headers
        entry.standing?.add(to: &headers)
        let length = body?.readableBytes ?? 0
        var bytes = ByteBufferAllocator().buffer(capacity: 1024 + length)
        bytes.writeString("HTTP/1.1 \(status.code) \(status.reasonPhrase)\r\n")
        for field in headers {
            bytes.writeString(field.name.rawName)
            bytes.writeStaticString(": ")
            bytes.writeString(field.value)
            bytes.writeStaticString("\r\n")
        }
        endHead(entry.requestID, &bytes)
        if let body { bytes.writeImmutableBuffer(body) }
        return Answer(bytes: bytes, status: status, bodyBytes: length, entry: entry)
    }

    /// Takes a caller's place for a request that waits; see `CallerLimiter.wait`.
    func placeToWait(_ request: StatusRequest) throws(GatewayError) -> WaitPlace? {
        guard let caller = request.entry.caller else { return nil }
        return try request.entry.limiter?.wait(of: caller)
    }

    /// Writes the fields that every answer has, and the end of the head.
    func endHead(_ requestID: String, _ bytes: inout ByteBuffer) {
        bytes.writeStaticString("X-Request-Id: ")
        bytes.writeString(requestID)
        bytes.writeStaticString("\r\nX-Content-Type-Options: nosniff\r\nDate: ")
        bytes.writeString(date.value)
        bytes.writeStaticString("\r\n\r\n")
    }

    /// A request is being answered here.
    func began() { record.metrics.began() }

    /// The request is not answered here.
    func abandoned() { record.metrics.abandoned() }

    /// Records an answer when it is sent.
    func sent(_ answer: Answer) {
        record.finish(answer.entry, status: answer.status, bytes: Int64(answer.bodyBytes), complete: true)
    }

    private static let exportRoute = "/exports/{id}"
    private static let operationRoute = "/exports/{id}/operation"

    func base(
        _ head: HTTPRequestHead,
        _ fields: KnownFields,
        from peer: @autoclosure () -> SocketAddress?
    ) -> String? {
        // Converting the header fields takes long, so it is done only where it is needed.
        guard fields.isForwarded else { return publicAddress.base(of: [:], from: nil) }
        var forwarded = HTTPFields()
        for name in [HTTPField.Name.forwarded, .xForwardedHost, .xForwardedProto, .xForwardedPrefix] {
            forwarded[values: name] = head.headers[name.rawName]
        }
        return publicAddress.base(of: forwarded, from: peer())
    }

    /// The address of the client; nil where nobody asks for it.
    func client(_ head: HTTPRequestHead, from peer: @autoclosure () -> SocketAddress?) -> String? {
        guard isAudited else { return nil }
        var fields = HTTPFields()
        for name in [HTTPField.Name.forwarded, .xForwardedFor] { fields[values: name] = head.headers[name.rawName] }
        return publicAddress.client(of: fields, from: peer())
    }

    static func acceptsJSON(_ field: String?) -> Bool {
        guard let field, field != "*/*", field != MediaType.json.rawValue else { return true }
        return MediaType.json.isAccepted(by: field)
    }

    static func requestID(_ fields: KnownFields) -> String {
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
