public import Exports
public import JSON

/// An answer that is an error: a problem document (RFC 9457: https://www.rfc-editor.org/rfc/rfc9457), or the answer of something
/// between client and gateway, which has a status alone.
public struct GatewayProblem: Error, Sendable, Hashable {
    /// The HTTP status.
    public var status: Int
    /// The kind of problem, stable; nil where the answer is no problem document.
    public var code: String?
    /// What happened and what can be done.
    public var detail: String
    /// Names the request in the gateway's logs.
    public var requestID: String?
    /// Everything that is wrong with the body of a create, each with a JSON Pointer.
    public var faults: [FieldFault] = []
    /// When another try makes sense.
    public var retryAfter: Duration?
    /// The problem document as it came.
    public var document: JSONValue?
    init(status: Int, body: [UInt8], requestID: String?, retryAfter: Duration?) {
        self.status = status
        self.requestID = requestID
        self.retryAfter = retryAfter
        guard let json = try? JSONValue(parsing: body), let code = json["code"]?.string else {
            detail = "The answer has the status \(status) and is not the gateway's."
            return
        }
        document = json
        self.code = code
        detail = json["detail"]?.string ?? json["title"]?.string ?? "The answer has the status \(status)."
        faults = (json["errors"]?.array ?? [])
            .prefix(100)
            .map { FieldFault($0["pointer"]?.string ?? "", $0["detail"]?.string ?? "") }
    }

    /// The codes that say: not now.
    private static let passing: Set<String> = [
        "unavailable", "queued", "too-many-requests", "request-timeout", "idempotency-key-in-flight",
        "upstream-unavailable", "upstream-timeout", "upstream-throttled",
    ]

    /// Whether the same call may succeed a little later.
    public var isTransient: Bool { code.map(Self.passing.contains) ?? [408, 429, 502, 503, 504].contains(status) }
}

extension GatewayProblem: CustomStringConvertible {
    public var description: String {
        let fields = faults.map { "\n  \($0.pointer.isEmpty ? "the body" : $0.pointer): \($0.detail)" }.joined()
        let request = requestID.map { ", request \($0)" } ?? ""
        return "\(detail) (\(code ?? "no problem document"), status \(status)\(request))\(fields)"
    }
}
