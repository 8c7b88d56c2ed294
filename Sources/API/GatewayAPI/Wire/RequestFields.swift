import CallerIdentity
import HTTPFields
import Exports
import HTTPTypes

/// The header fields that this API reads, each in one place.
struct RequestFields: Sendable {
    private let fields: HTTPFields

    /// Wraps the fields of a request.
    init(_ fields: HTTPFields) {
        self.fields = fields
    }

    /// The field's lines joined as a list; nil when it is absent.
    ///
    /// Throws `invalidParameter` when it is longer than `openapi.yaml` says.
    func list(_ name: HTTPField.Name, atMost limit: Int) throws(GatewayError) -> String? {
        let lines = fields[values: name]
        guard !lines.isEmpty else { return nil }
        let joined = lines.joined(separator: ", ")
        guard joined.utf8.count <= limit else {
            throw .invalidParameter(name.rawName, "must not have more than \(limit) characters")
        }
        return joined
    }

    /// The single line of a field; nil when it is absent. Throws `invalidParameter` when there are several.
    func single(_ name: HTTPField.Name) throws(GatewayError) -> String? {
        let lines = fields[values: name]
        guard lines.count <= 1 else { throw .invalidParameter(name.rawName, "may be given only once") }
        return lines.first
    }

    /// The caller's own upstream token. Throws as `token` does.
    func upstreamAuthorization() throws(GatewayError) -> Secret? { try token(.upstreamAuthorization) }

    /// The caller's own token for the hosts that files come from. Throws as `token` does.
    func upstreamDownloadAuthorization() throws(GatewayError) -> Secret? { try token(.upstreamDownloadAuthorization) }

    /// Throws `invalidParameter` where a token for downloads comes with another request, because its sender may believe that it is kept.
    func refuseDownloadAuthorization() throws(GatewayError) {
        guard !fields.contains(.upstreamDownloadAuthorization) else {
            throw .invalidParameter(
                HTTPField.Name.upstreamDownloadAuthorization.rawName,
                "is for downloads only, of /exports/{id}/files/{fileId} and /exports/{id}/content, and is not kept: send it "
                    + "with each of them, and with nothing else"
            )
        }
    }

    /// The token in a field; nil when it is absent.
    ///
    /// Throws `invalidParameter` for anything but `Bearer <token>` (RFC 6750, 2.1). The value is never repeated.
    private func token(_ name: HTTPField.Name) throws(GatewayError) -> Secret? {
        guard let value = try single(name) else { return nil }
        // The same limit as for access tokens, because an on-behalf-of token may be the same one.
        guard let token = BearerToken.read(value), token.utf8.count <= Authentication.maxTokenBytes else {
            throw .invalidParameter(
                name.rawName,
                "must be \"Bearer \" and a token of at most \(Authentication.maxTokenBytes) characters"
            )
        }
        return Secret(token)
    }

    /// The key that makes a repeated create request safe. Throws as `idempotencyKey(in:)` does.
    func idempotencyKey() throws(GatewayError) -> String? {
        guard let value = try single(.idempotencyKey) else { return nil }
        return try Self.idempotencyKey(in: value)
    }

    /// The key in the value of the field: a structured-field string (RFC 8941, 3.3.3) without escapes, or a bare token. Throws
    /// `invalidParameter` for anything else.
    static func idempotencyKey(in value: String) throws(GatewayError) -> String {
        let bytes = Array(value.utf8)
        if bytes.count >= 2, bytes.first == UInt8(ascii: "\""), bytes.last == UInt8(ascii: "\"") {
            let key = bytes.dropFirst().dropLast()
            let isPlain = key.allSatisfy {
                (0x20...0x7E).contains($0) && $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: "\\")
            }
            if (1...128).contains(key.count), isPlain { return String(decoding: key, as: UTF8.self) }
        } else if (1...128).contains(bytes.count), bytes.allSatisfy(Self.isTokenByte) {
            return value
        }
        throw .invalidParameter(
            "Idempotency-Key",
            "must be a quoted string of 1 to 128 printable ASCII characters without \" and \\, such as \"8e03978e-40d5\""
        )
    }

    /// Whether the client asks for a newer state from the upstream.
    func asksForRefresh() throws(GatewayError) -> Bool {
        guard let field = try list(.cacheControl, atMost: 256) else { return false }
        return FieldList.cacheControl(field, has: "no-cache")
    }

    private static func isTokenByte(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
        default: "._:~-".utf8.contains(byte)
        }
    }
}

/// `Bearer <b64token>` (RFC 6750, 2.1).
enum BearerToken {
    /// The token; nil for another scheme or a text that is no token.
    static func read(_ value: String) -> String? {
        guard value.prefix(7).lowercased() == "bearer " else { return nil }
        let token = value.dropFirst(7)
        let body = token.utf8.reversed().drop { $0 == UInt8(ascii: "=") }
        guard !body.isEmpty, body.allSatisfy(isTokenByte) else { return nil }
        return String(token)
    }

    private static func isTokenByte(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
        default: "-._~+/".utf8.contains(byte)
        }
    }
}

extension HTTPField.Name {
    static let acceptPost = HTTPField.Name("Accept-Post")!
    static let idempotencyKey = HTTPField.Name("Idempotency-Key")!
    static let idempotencyReplayed = HTTPField.Name("Idempotency-Replayed")!
    static let operationLocation = HTTPField.Name("Operation-Location")!
    static let prefer = HTTPField.Name("Prefer")!
    static let preferenceApplied = HTTPField.Name("Preference-Applied")!
    static let upstreamAuthorization = HTTPField.Name("Upstream-Authorization")!
    static let upstreamDownloadAuthorization = HTTPField.Name("Upstream-Download-Authorization")!
    static let requestID = HTTPField.Name("X-Request-Id")!
    static let traceparent = HTTPField.Name("traceparent")!
}
