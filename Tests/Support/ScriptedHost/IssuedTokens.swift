public import Exports
import Synchronization
public import UpstreamHTTP

/// A source of access tokens that issues them as a test says, and counts them.
public final class IssuedTokens: AccessTokenSource {
    /// Issues a token, in place of one that was rejected if there is one.
    public typealias Issue =
        @Sendable (_ scope: TokenScope, _ context: CallContext, _ rejected: AccessToken?) async throws(ProviderError)
        -> String

    private let isKept: Bool
    private let issue: Issue
    private let state = Mutex((count: 0, token: String?.none))

    /// - Parameter isKept: Whether a token is used for all calls until it is rejected.
    public init(isKept: Bool = false, _ issue: @escaping Issue) { (self.isKept, self.issue) = (isKept, issue) }

    /// `token-1` until it is rejected, then `token-2`, and so on.
    public static func numbered() -> IssuedTokens {
        let number = Atomic(0)
        return IssuedTokens(isKept: true) { (_, _, _) async throws(ProviderError) -> String in
            "token-\(number.add(1, ordering: .relaxed).newValue)"
        }
    }

    /// The token that the caller gave with the request, and no other.
    public static func callers() -> IssuedTokens {
        IssuedTokens { (_, context, rejected) async throws(ProviderError) -> String in
            guard let token = context.authorization, rejected == nil else {
                throw ProviderError(.unauthenticated, "No token.", problem: .upstreamAuthorizationRequired)
            }
            return token.reveal()
        }
    }

    /// How many were issued.
    public var count: Int { state.withLock { $0.count } }

    public func accessToken(
        for scope: TokenScope,
        context: CallContext,
        replacing rejected: AccessToken?
    ) async throws(ProviderError) -> AccessToken {
        if isKept, rejected == nil, let token = state.withLock({ $0.token }) { return AccessToken(Secret(token)) }
        let token = try await issue(scope, context, rejected)
        state.withLock { state in
            state.count += 1
            state.token = token
        }
        return AccessToken(Secret(token))
    }
}
