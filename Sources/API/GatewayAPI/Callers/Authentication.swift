import Exports
import HTTPTypes
import NIOCore
import SystemCrypto

/// Authenticates callers: by `Authorization: Bearer` with an API key, whose digest is compared with the configured ones, or
/// with an access token. Without that field, by the client certificate of the connection.
struct Authentication: Sendable {
    let keys: [APIKey]
    let tokens: AccessTokenVerifier?
    let certificates: PeerCertificates

    /// Whether every client is accepted without a credential.
    private var isOpen: Bool { keys.isEmpty && tokens == nil && certificates.callers.isEmpty }

    /// The caller. Throws `unauthenticated` for a missing, unreadable or wrong credential, and `unavailable` where a token
    /// cannot be checked now.
    func caller(of fields: HTTPFields, on channel: any Channel) async throws(GatewayError) -> Caller {
        guard !isOpen else { return .anonymous }
        let lines = fields[values: .authorization]
        guard let line = lines.first else {
            if let caller = await certificates.caller(on: channel) { return caller }
            throw GatewayError(
                .unauthenticated,
                "Send \(words) as \"Authorization: Bearer <credential>\".",
                challenge: BearerChallenge()
            )
        }
        guard lines.count == 1, line.prefix(7).lowercased() == "bearer " else {
            throw GatewayError(
                .unauthenticated,
                "Authorization must be \"Bearer \" and \(words), given once.",
                challenge: BearerChallenge()
            )
        }
        let credential = line.dropFirst(7)
        if let key = key(credential) { return Caller(id: key.id, kind: .apiKey, permissions: key.permissions) }
        if let tokens, JSONWebToken.isLikely(credential) { return try await tokens.caller(credential) }
        throw GatewayError(
            .unauthenticated,
            "This credential is not known here; send \(words).",
            challenge: BearerChallenge(.invalidToken)
        )
    }

    /// The caller, where that is known at once: `anonymous` where no credential is needed, or the holder of an API key. Nil where
    /// more has to be checked, and where `caller` would throw.
    ///
    /// - Parameter line: The only line of `Authorization`.
    func callerAtOnce(authorization line: String?) -> Caller? {
        if isOpen { return .anonymous }
        guard let line, line.hasPrefix("Bearer "), let key = key(line.dropFirst(7)) else { return nil }
        return Caller(id: key.id, kind: .apiKey, permissions: key.permissions)
    }

    /// The credentials that callers need, for an error message.
    private var words: String {
        let kinds = [keys.isEmpty ? nil : "an API key", tokens.map { _ in "an access token" }].compactMap { $0 }
        return kinds.isEmpty ? "nothing, but come with a client certificate" : kinds.joined(separator: " or ")
    }

    private func key(_ text: Substring) -> APIKey? {
        let digest = SHA256.hash(Array(text.utf8))
        var found: APIKey?
        // All keys are compared, so that the time does not depend on which one matched.
        for key in keys where constantTimeEquals(digest, key.sha256) { found = key }
        return found
    }
}
