public import Exports

/// What a token is for: a v2 scope, such as `https://graph.microsoft.com/.default`.
public struct TokenScope: Sendable, Hashable, CustomStringConvertible {
    public let rawValue: String

    /// Makes a scope from its text, as the token endpoint expects it.
    public init(_ rawValue: String) {
        self.rawValue = rawValue
    }

    public var description: String { rawValue }
}

/// A bearer token and when it expires. The token is opaque: only the upstream interprets it.
public struct AccessToken: Sendable, Hashable {
    public var secret: Secret
    /// When it expires, where that is known.
    public var expiresAt: Timestamp?

    /// Makes a token.
    public init(_ secret: Secret, expiresAt: Timestamp? = nil) {
        self.secret = secret
        self.expiresAt = expiresAt
    }
}

/// A source of the tokens that the gateway sends upstream.
public protocol AccessTokenSource: Sendable {
    /// Whether the tokens belong to users, so that the caller has to answer a claims challenge. False by default.
    var actsForUsers: Bool { get }

    /// A token for `scope`.
    ///
    /// `rejected` is a token that the upstream has just refused: another one is returned, or the error says why there is none. Throws
    /// `unauthenticated` when the credential is refused or missing, and `transient` or `throttled` when the authority cannot answer
    /// now.
    func accessToken(
        for scope: TokenScope,
        context: CallContext,
        replacing rejected: AccessToken?
    ) async throws(ProviderError) -> AccessToken
}

extension AccessTokenSource {
    public var actsForUsers: Bool { false }
}
