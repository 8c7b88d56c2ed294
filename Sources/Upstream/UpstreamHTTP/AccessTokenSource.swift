public import Exports

/// What a token is for: a v2 scope, such as `https://graph.microsoft.com/.default`.
public struct TokenScope: Sendable, Hashable, CustomStringConvertible {
    public let rawValue: String

    /// Takes a scope as the token endpoint wants it.
    public init(_ rawValue: String) {
        self.rawValue = rawValue
    }

    public var description: String { rawValue }
}

/// A bearer token and its end. The token is opaque: what is inside is the upstream's business.
public struct AccessToken: Sendable, Hashable {
    public var secret: Secret
    /// When it ends, where that is known.
    public var expiresAt: Timestamp?

    /// Makes a token.
    public init(_ secret: Secret, expiresAt: Timestamp? = nil) {
        self.secret = secret
        self.expiresAt = expiresAt
    }
}

/// Where the tokens that we show upstream come from.
public protocol AccessTokenSource: Sendable {
    /// Whether the tokens are users', so that a claims challenge is for the caller to answer. False unless a source says so.
    var actsForUsers: Bool { get }

    /// A token that is good for `scope`.
    ///
    /// `rejected` is a token that the upstream has just refused: another one comes back, or the error that says why
    /// there is none. Throws `unauthenticated` when the credential is refused or missing, `transient` or `throttled`
    /// when the authority cannot answer now.
    func accessToken(
        for scope: TokenScope,
        context: CallContext,
        replacing rejected: AccessToken?
    ) async throws(ProviderError) -> AccessToken
}

extension AccessTokenSource {
    public var actsForUsers: Bool { false }
}
