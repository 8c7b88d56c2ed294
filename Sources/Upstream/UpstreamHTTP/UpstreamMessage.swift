import Foundation
public import Exports
public import JSON
import NIOCore

/// One call to an upstream.
public struct UpstreamRequest: Sendable {
    public enum Method: String, Sendable {
        case get = "GET"
        case post = "POST"
        case delete = "DELETE"

        /// Whether a second call has the same effect as one call (RFC 9110, 9.2.2).
        public var isIdempotent: Bool { self != .post }
    }

    /// The kind of call, as a metric label, such as `power-bi.start`. Each adapter has a fixed set.
    public var operation: String
    public var method: Method
    public var url: UpstreamURL
    public var headers: [(name: String, value: String)] = []
    /// Header fields that are sent only together with the bearer token. They are dropped on a redirect to another host, as the token is.
    public var bearerHeaders: [(name: String, value: String)] = []
    /// A body of the type `bodyType`.
    public var body: [UInt8]?
    /// The `Content-Type` of `body`.
    public var bodyType = "application/json; charset=utf-8"
    /// A form body; sets `Content-Type`.
    public var form: [FormField]?
    /// Header fields with secrets in them.
    public var secretHeaders: [(name: String, value: Secret)] = []
    /// The secrets in the body. They are redacted in the answer, as are the token and the secrets in header fields and in the form. Not in
    /// a successful answer to a form, which may grant the same token again.
    public var secrets: [Secret] = []
    /// Whether the query of the address is a signature. Then it is redacted in the answer too.
    public var isSignedLink = false
    /// The scope of the bearer token to send; nil sends none.
    public var bearer: TokenScope?
    /// Whether the call starts a job. Then it is sent on a connection of its own, after `willStart` of its context.
    public var startsJob = false
    /// Whether the call counts against the connection's request budget.
    public var isPaced = true
    /// How many attempts `send` makes for a harmless call that fails on the way.
    public var attempts = 3
    /// Whether an answer comes from a failed gateway in between, without `Retry-After`, so that a harmless call is repeated. Not used for
    /// calls that are not harmless.
    public var isWorthAnotherTry: @Sendable (UpstreamResponse) -> Bool = {
        [502, 503, 504].contains($0.status) && $0.retryAfter == nil
    }
    /// Whether a second call does no harm although the method is not idempotent.
    public var isHarmless = false
    /// How long to wait for the whole answer of `send`, or for the head of `download`.
    public var timeout: Duration = .seconds(30)
    /// The most bytes of a successful answer that `send` accepts; see `AnswerLimit`.
    public var bodyLimit = AnswerLimit.job
    /// Whether an answer means that the token is not accepted any more, so that the call is made once more with a new one. For most
    /// upstreams that is 401.
    public var rejectsToken: @Sendable (UpstreamResponse) -> Bool = { $0.status == 401 }
    /// Checks the head of a 200 to `download`, and returns an error for a wrong answer, such as a sign-in page. Called before the length
    /// is checked, which would be wrong too.
    public var refusal: @Sendable (UpstreamHeaders) -> ProviderError? = { _ in nil }

    /// Makes a call; set the rest as needed.
    public init(_ operation: String, _ method: Method, _ url: UpstreamURL, bearer: TokenScope? = nil) {
        self.operation = operation
        self.method = method
        self.url = url
        self.bearer = bearer
    }

    /// Sets a JSON body.
    public mutating func setJSON(_ value: JSONValue) { body = Array(value.encoded()) }
}

/// A parameter of a form.
public struct FormField: Sendable {
    public var name: String
    public var value: Secret
    /// Whether the value is redacted in the upstream's answer.
    public var isSecret: Bool

    /// Makes a parameter with a secret value.
    public init(_ name: String, _ value: Secret) {
        (self.name, self.value, isSecret) = (name, value, true)
    }

    /// Makes a parameter whose value is not secret.
    public init(_ name: String, open value: String) {
        (self.name, self.value, isSecret) = (name, Secret(value), false)
    }
}

/// Only the method and the address are printed, because header fields and bodies may hold secrets.
extension UpstreamRequest: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    public var description: String { "\(method.rawValue) \(operation)" }
    public var debugDescription: String { description }
    public var customMirror: Mirror { Mirror(self, children: []) }
}

/// Header fields, looked up without regard to case.
public struct UpstreamHeaders: Sendable {
    private var fields: [(name: String, value: String)]

    /// Makes the fields, in this order.
    public init(_ fields: [(name: String, value: String)]) {
        self.fields = fields.map { ($0.name.lowercased(), $0.value) }
    }

    /// The first field of this name.
    public subscript(_ name: String) -> String? {
        let name = name.lowercased()
        return fields.first { $0.name == name }?.value
    }

    /// All fields of this name, joined by `, ` (RFC 9110, 5.3).
    public func all(_ name: String) -> String? {
        let name = name.lowercased()
        let values = fields.filter { $0.name == name }.map(\.value)
        return values.isEmpty ? nil : values.joined(separator: ", ")
    }

    /// The addresses that an answer to a start tells of its job, in the order in which they count: `Location` first
    /// (https://www.rfc-editor.org/rfc/rfc9110#section-10.2.2). The other fields are those of Azure's long-running operations
    /// and of a resource's own address; they are read as a precaution.
    public var jobAddresses: [String] {
        ["location", "operation-location", "azure-asyncoperation", "content-location"].compactMap { self[$0] }
    }
}

/// A whole answer, whatever its status.
public struct UpstreamResponse: Sendable {
    public let status: Int
    public let headers: UpstreamHeaders
    /// The body, decoded if it was gzip. Of an error, and of a success to a POST, at most the limit.
    public let body: [UInt8]
    /// The body as JSON, read leniently; nil when it is not JSON.
    public let json: JSONValue?
    /// When it arrived. A date in `Retry-After` is compared with it.
    public let receivedAt: Timestamp
    /// Why the body cannot be read, if it cannot. It completes a sentence that begins with "it".
    public let fault: String?

    /// Makes an answer with an unencoded body.
    public init(status: Int, headers: UpstreamHeaders, body: [UInt8], receivedAt: Timestamp) {
        self.init(
            status: status,
            headers: headers,
            body: AnswerBody(body, headers: headers, limit: AnswerLimit.list, without: nil, isError: false),
            receivedAt: receivedAt
        )
    }

    init(status: Int, headers: UpstreamHeaders, body: AnswerBody, receivedAt: Timestamp) {
        self.status = status
        self.headers = headers
        self.body = body.bytes
        json = body.json
        fault = body.fault
        self.receivedAt = receivedAt
    }

    /// How long the answer asks to wait; nil when it has no `Retry-After`.
    public var retryAfter: Duration? { headers.retryAfter(at: receivedAt) }
}

/// The answer to `download`: a head, and the bytes as they come.
public struct UpstreamDownload: Sendable {
    public var status: Int
    public var headers: UpstreamHeaders
    /// The length of the body, where the upstream tells.
    public var contentLength: Int64?
    /// The part of the file that a 206 holds.
    public var range: ContentRange?
    /// The bytes; see `FileBody.bytes` for what they promise.
    public var bytes: UpstreamBytes
    public var receivedAt: Timestamp
    let sent: SentSecrets

    /// Whether it is the file or a part of it, and not an error or a redirect.
    public var isFile: Bool { status == 200 || range != nil }

    /// The entity tag, if it is a strong one (RFC 9110, 8.8.3).
    public var validator: String? { headers["etag"].flatMap { FileRange.isStrong($0) ? $0 : nil } }

    /// Whether parts of the file can be asked for.
    public var servesRanges: Bool {
        if range != nil { return true }
        let units = headers.all("accept-ranges")?.split(separator: ",") ?? []
        return !headers.isEncoded && units.contains { $0.trimming(" \t").lowercased() == "bytes" }
    }

    /// The head of a file, as an adapter hands it on.
    public func fileHead(requestID: String?) -> FileBody.Head {
        FileBody.Head(
            contentType: headers["content-type"],
            contentLength: contentLength,
            contentEncoding: headers.isEncoded ? headers.all("content-encoding") : nil,
            range: range,
            validator: validator,
            servesRanges: servesRanges,
            requestID: requestID
        )
    }

    /// Reads up to `limit` bytes of an answer that is not the file, for its error message. The secrets that were sent are redacted.
    public func collected(upTo limit: Int = AnswerLimit.error) async -> UpstreamResponse {
        var body: [UInt8] = []
        do {
            for try await chunk in bytes {
                body += chunk.readableBytesView.prefix(limit - body.count)
                if body.count >= limit { break }
            }
        } catch {
            // The bytes before the failure are used for the error message.
        }
        return UpstreamResponse(
            status: status,
            headers: headers,
            body: AnswerBody(body, headers: headers, limit: AnswerLimit.error, without: sent, isError: true),
            receivedAt: receivedAt
        )
    }
}
