import CoreMetrics
import Exports
import HTTPTypes
import Logging
import NIOCore
import SystemCrypto

/// Authenticates callers: by `Authorization: Bearer` with an API key, whose digest is compared with the configured ones, or
/// with an access token. Without that field, by the client certificate of the connection.
///
/// Where none of the three is configured, every client is let in as `Caller.anonymous`.
///
/// It never changes: other callers are another authentication.
public final class Authentication: Sendable {
    // A class: as a value of some three hundred bytes, it would be copied for each call from another module.

    /// The longest access token that is read; a longer one is refused.
    public static let maxTokenBytes = JSONWebToken.maxBytes

    private let keys: [APIKey]
    private let tokens: AccessTokenVerifier?
    private let certificates: PeerCertificates
    private let time: any TimeSource

    /// Makes an authentication. Nothing is fetched yet.
    ///
    /// - Parameters:
    ///   - keys: The callers' API keys.
    ///   - tokenAuthority: Who issues callers' access tokens; nil accepts no tokens.
    ///   - certificates: The callers that authenticate with TLS client certificates.
    ///   - time: Says which tokens and certificates are valid, and when keys are fetched again.
    ///   - former: The authentication that this one takes the place of: keys that it has fetched, and that have not changed, are kept.
    ///   - metrics: Counts refused tokens and fetches of keys.
    public init(
        keys: [APIKey],
        tokenAuthority: TokenAuthority?,
        certificates: [ClientCertificate],
        inPlaceOf former: Authentication? = nil,
        time: any TimeSource,
        logger: Logger,
        metrics: any MetricsFactory
    ) {
        self.keys = keys
        self.time = time
        tokens = tokenAuthority.map {
            AccessTokenVerifier(
                authority: $0,
                keepingKeysOf: former?.tokens,
                time: time,
                logger: logger,
                metrics: metrics
            )
        }
        self.certificates = PeerCertificates(callers: certificates, time: time)
    }

    /// The keys of callers' tokens; none where no tokens are accepted.
    var signingKeys: [SigningKeys] { tokens?.signingKeys ?? [] }

    /// Whether every client is accepted without a credential.
    private var isOpen: Bool { keys.isEmpty && tokens == nil && certificates.callers.isEmpty }

    /// The caller. Throws `unauthenticated` for a missing, unreadable or wrong credential, and `unavailable` where a token
    /// cannot be checked now.
    ///
    /// - Parameter channel: The connection that the request came on.
    public func caller(of fields: HTTPFields, on channel: any Channel) async throws(GatewayError) -> Caller {
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
    public func callerAtOnce(authorization line: String?) -> Caller? {
        if isOpen { return .anonymous }
        guard let line, line.hasPrefix("Bearer "), let key = key(line.dropFirst(7)) else { return nil }
        return Caller(id: key.id, kind: .apiKey, permissions: key.permissions)
    }

    /// A caller who was authenticated before, without a new credential: with the permissions that it has now. Nil where its credential
    /// is not accepted any more.
    ///
    /// What an access token grants is not known without the token: such a caller has the permissions that it had, until its token's
    /// end.
    public func present(_ caller: Caller) -> Caller? {
        let granted: [Permissions]
        switch caller.kind {
        case .anonymous: return isOpen ? .anonymous : nil
        case .apiKey: granted = keys.filter { $0.id == caller.id }.map(\.permissions)
        case .certificate: granted = certificates.callers.filter { $0.id == caller.id }.map(\.permissions)
        case .user, .application:
            let tenant = caller.id.split(separator: ":").dropFirst().first
            guard let tokens, let tenant, tokens.accepts(tenant: String(tenant)) else { return nil }
            guard let end = caller.tokenEnd, time.now() < end else { return nil }
            return caller
        }
        guard !granted.isEmpty else { return nil }
        var present = caller
        present.permissions = Permissions(joining: granted)
        return present
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
