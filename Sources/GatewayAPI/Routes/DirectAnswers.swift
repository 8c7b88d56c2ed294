import Exports
import HTTPTypes
import NIOCore
import SystemCrypto

/// Answers what is asked for most at once, without a task: `GET` and `HEAD` of an export, or of its operation, whose snapshot is
/// at hand.
///
/// The answers, the figures and the line in the log are those of `GatewayResponder`, to the byte. It knows only what it is
/// certain of: everything else, a request with a field that is not listed here among it, is the responder's.
struct DirectAnswers: Sendable {
    /// One answer, and what is to be written down of it.
    struct Answer: Sendable {
        var head: HTTPResponse
        /// Nil where only the head is sent.
        var body: ByteBuffer?
        fileprivate var entry: RequestRecord.Entry
    }

    /// What the first line of a request asks for.
    struct Target: Sendable {
        var id: ExportID
        var isOperation: Bool
    }

    /// What the fields of a request say.
    private struct Wishes {
        var authorization: String?
        /// All lines, as one list.
        var accept: String?
        var ifNoneMatch: String?
        var requestID: String?
        var requestIDCount = 0
        var bytes = 0
    }

    /// Longer ones are sent piece by piece, as the client takes them.
    private static let longestBody = 64 << 10
    /// To encode more of them takes too long for an event loop.
    private static let mostFiles = 100

    let authentication: Authentication
    let limits: RequestLimits
    let publicAddress: PublicAddress
    let record: RequestRecord
    let answers: ReadyAnswers
    let date = DateField()

    /// What a request asks for that may be one to be answered here, by its first line alone: `/exports/{id}` and
    /// `/exports/{id}/operation`, spelled as here and without a query. Nil for all others.
    static func target(of head: HTTPRequest) -> Target? {
        guard head.method == .get || head.method == .head, let path = head.path else { return nil }
        let bytes = path.utf8
        let (prefix, suffix, idLength) = ("/exports/", "/operation", 36)
        let isOperation = bytes.count == prefix.utf8.count + idLength + suffix.utf8.count
        guard isOperation || bytes.count == prefix.utf8.count + idLength, path.hasPrefix(prefix),
            !isOperation || path.hasSuffix(suffix)
        else { return nil }
        let start = bytes.index(bytes.startIndex, offsetBy: prefix.utf8.count)
        return ExportID(path[start..<bytes.index(start, offsetBy: idLength)])
            .map { Target(id: $0, isOperation: isOperation) }
    }

    /// The answer to a request that has no body; nil for one that is not answered here: nothing has happened then.
    ///
    /// - Parameter peer: Who opened the connection.
    func answer(to head: HTTPRequest, _ target: Target, from peer: SocketAddress?) -> Answer? {
        guard let wishes = Self.wishes(head.headerFields), wishes.bytes <= limits.maxHeaderBytes,
            head.path?.utf8.count ?? 0 <= limits.maxTargetBytes,
            let caller = authentication.callerAtOnce(authorization: wishes.authorization),
            caller.permissions.allow(.read), Self.acceptsJSON(wishes.accept)
        else { return nil }
        let document: ReadyAnswer.Document =
            target.isOperation ? .operation : .export(base: publicAddress.base(of: head.headerFields, from: peer))
        guard let snapshot = answers.service.snapshot(of: target.id, owner: caller.owner),
            snapshot.export.files.count <= Self.mostFiles
        else { return nil }
        let ready = answers.answer(snapshot, as: document)
        guard ready.body.readableBytes <= Self.longestBody else { return nil }

        let requestID = Self.requestID(wishes)
        let isUnchanged = wishes.ifNoneMatch.map(ready.tag.isNamed) ?? false
        var response = HTTPResponse(
            status: isUnchanged ? .notModified : .ok,
            headerFields: isUnchanged ? ready.fieldsOfUnchanged : ready.fields
        )
        response.headerFields.append(HTTPField(name: .requestID, value: requestID))
        response.headerFields.append(HTTPField(name: .xContentTypeOptions, value: "nosniff"))
        response.headerFields.append(HTTPField(name: .date, value: date.value))
        return Answer(
            head: response,
            body: isUnchanged || head.method == .head ? nil : ready.body,
            entry: RequestRecord.Entry(
                requestID: requestID,
                start: record.time.now(),
                method: HTTPMetrics.label(of: head.method),
                route: target.isOperation ? Self.operationRoute : Self.exportRoute,
                caller: caller.id,
                export: target.id
            )
        )
    }

    /// Writes an answer down, once it is on its way.
    func sent(_ answer: Answer) {
        record.metrics.began()
        record.finish(
            answer.entry,
            status: answer.head.status,
            bytes: Int64(answer.body?.readableBytes ?? 0),
            complete: true
        )
    }

    private static let exportRoute = "/exports/{id}"
    private static let operationRoute = "/exports/{id}/operation"

    /// Nil where a field may mean something that is not understood here.
    private static func wishes(_ fields: HTTPFields) -> Wishes? {
        var wishes = Wishes()
        for field in fields {
            let value = field.value
            wishes.bytes += RequestLimits.bytes(of: field)
            switch field.name.canonicalName {
            case "authorization":
                if wishes.authorization != nil { return nil }
                wishes.authorization = value
            case "accept": wishes.accept = wishes.accept.map { $0 + ", " + value } ?? value
            case "if-none-match":
                if wishes.ifNoneMatch != nil || value.utf8.count > 1024 { return nil }
                wishes.ifNoneMatch = value
            case "x-request-id":
                wishes.requestID = value
                wishes.requestIDCount += 1
            case "connection":
                // Whatever ends the connection, or makes another of it, is the responder's.
                guard value.lowercased() == "keep-alive" else { return nil }
            // `PublicAddress` reads what it may of these.
            case "forwarded", "x-forwarded-host", "x-forwarded-proto", "x-forwarded-prefix": break
            // These mean nothing to the gateway.
            case "user-agent", "accept-encoding", "accept-language", "x-forwarded-for", "x-real-ip", "via",
                "traceparent", "tracestate":
                break
            default: return nil
            }
        }
        return wishes
    }

    private static func acceptsJSON(_ field: String?) -> Bool {
        guard let field, field != "*/*", field != MediaType.json.rawValue else { return true }
        return MediaType.json.isAccepted(by: field)
    }

    private static func requestID(_ wishes: Wishes) -> String {
        if wishes.requestIDCount == 1, let id = wishes.requestID, RequestID.isValid(id) { return id }
        var random = SystemRandom()
        return RequestID.make(using: &random)
    }
}
