public import Exports
import Synchronization
import SystemCrypto
public import UpstreamHTTP

/// Exchanges the tokens that users send for tokens for the upstream: the on-behalf-of flow (`Upstream-EntraID, On behalf of`).
///
/// `Upstream-Authorization` carries an access token for the gateway's own application. Each token is exchanged once for each scope,
/// however many calls have it. The results are kept by the SHA-256 of the user's token, at most `capacity` of them, in memory
/// only. A result is used until it expires itself, which may be some time after the user's token has expired.
///
/// With `keepsRefreshTokens`, a refresh token is requested too, and passed to the export's `RefreshTokenStore` where the call's
/// context has one. When the user's own token has expired, or is missing, the refresh token gets the next one.
public final class OnBehalfOfTokenSource: AccessTokenSource {
    private struct Key: Hashable {
        enum Subject: Hashable {
            /// The digest of the user's token.
            case assertion([UInt8])
            /// The export whose refresh token it is.
            case export(ExportID)
        }

        var scope: TokenScope
        var subject: Subject
    }

    public let actsForUsers = true
    private let endpoint: TokenEndpoint
    private let tokens: SharedTokens<Key>
    private let keepsRefreshTokens: Bool
    /// Users' tokens that the authority does not accept any more. Where there is a refresh token, they are not tried again.
    private let ended: Mutex<RecentDigests>

    /// Makes a source for the endpoint's application.
    public init(
        endpoint: TokenEndpoint,
        time: any TimeSource,
        keepsRefreshTokens: Bool = false,
        capacity: Int = 10_000
    ) {
        self.endpoint = endpoint
        tokens = SharedTokens(time: time, capacity: capacity)
        self.keepsRefreshTokens = keepsRefreshTokens
        ended = Mutex(RecentDigests(capacity: capacity))
    }

    /// As the protocol says. Throws `unauthenticated` with `upstream-authorization-required` when the caller's token is missing or has
    /// expired, and there is no refresh token; with `upstream-claims-required` and the challenge when the user has to prove more;
    /// and `forbidden` with `upstream-consent-required` when the application lacks a permission. A refresh token is removed only
    /// when nobody but the user can help.
    public func accessToken(
        for scope: TokenScope,
        context: CallContext,
        replacing rejected: AccessToken?
    ) async throws(ProviderError) -> AccessToken {
        let store = keepsRefreshTokens ? context.refreshToken : nil
        guard let assertion = context.authorization else {
            guard let store, await store.token() != nil else { throw Self.nothingBrought }
            return try await refreshed(by: store, scope, context, replacing: rejected)
        }
        let digest = SHA256.hash(Array(assertion.reveal().utf8))
        if let store, ended.withLock({ $0.contains(digest) }), await store.token() != nil {
            return try await refreshed(by: store, scope, context, replacing: rejected)
        }
        do throws(ProviderError) {
            return try await exchanged(assertion, digest, scope, store, context, replacing: rejected)
        } catch  where error.saysThatTheUserHasToComeBack && error.challenge == nil {
            guard let store, await store.token() != nil else { throw error }
            ended.withLock { $0.insert(digest) }
            return try await refreshed(by: store, scope, context, replacing: rejected)
        }
    }

    private func exchanged(
        _ assertion: Secret,
        _ digest: [UInt8],
        _ scope: TokenScope,
        _ store: (any RefreshTokenStore)?,
        _ context: CallContext,
        replacing rejected: AccessToken?
    ) async throws(ProviderError) -> AccessToken {
        if let audience = TokenAudience.wrong(assertion, forApplication: endpoint.clientID) {
            throw ProviderError(
                .unauthenticated,
                "The token in Upstream-Authorization is for \(audience), and not for this gateway's application, client id \(endpoint.clientID): ask for one with a scope of that application. Nothing was sent upstream.",
                problem: .upstreamAuthorizationRequired
            )
        }
        let key = Key(scope: scope, subject: .assertion(digest))
        var isNew = false
        let token = try await tokens.token(for: key, replacing: rejected) { () async throws(ProviderError) in
            let grant = try await endpoint.requestToken(for: asked(scope), .onBehalfOf(assertion), context: context)
            isNew = true
            return grant
        }
        // One exchange serves all exports of the user. Each export keeps the refresh token, unless it has a newer one.
        if let store, let refreshToken = tokens.refreshToken(for: key) {
            var isWanted = isNew
            if !isNew { isWanted = await store.token() == nil }
            if isWanted {
                await store.keep(refreshToken)
                tokens.forgive(Key(scope: scope, subject: .export(store.exportID)))
            }
        }
        return token
    }

    private func refreshed(
        by store: any RefreshTokenStore,
        _ scope: TokenScope,
        _ context: CallContext,
        replacing rejected: AccessToken?
    ) async throws(ProviderError) -> AccessToken {
        let key = Key(scope: scope, subject: .export(store.exportID))
        return try await tokens.token(for: key, replacing: rejected) { () async throws(ProviderError) in
            guard let kept = await store.token() else { throw Self.nothingBrought }
            let grant: TokenGrant
            do throws(ProviderError) {
                grant = try await endpoint.requestToken(for: asked(scope), .refreshToken(kept), context: context)
            } catch  where error.saysThatTheUserHasToComeBack {
                await store.remove(kept)
                throw error
            }
            if let next = grant.refreshToken { await store.keep(next) }
            return grant
        }
    }

    private func asked(_ scope: TokenScope) -> TokenScope {
        keepsRefreshTokens ? TokenScope(scope.rawValue + " offline_access") : scope
    }

    private static var nothingBrought: ProviderError {
        ProviderError(
            .unauthenticated,
            "Send a token for this gateway's application in Upstream-Authorization: Bearer <token>.",
            problem: .upstreamAuthorizationRequired
        )
    }
}

extension ProviderError {
    /// Whether only a new sign-in of the user can help.
    fileprivate var saysThatTheUserHasToComeBack: Bool {
        code == .unauthenticated && [.upstreamAuthorizationRequired, .upstreamClaimsRequired].contains(problem)
    }
}

/// A bounded set of digests: the oldest are evicted.
private struct RecentDigests {
    private var digests: Set<[UInt8]> = []
    private var order: [[UInt8]] = []
    private let capacity: Int

    init(capacity: Int) { self.capacity = capacity }

    func contains(_ digest: [UInt8]) -> Bool { digests.contains(digest) }

    mutating func insert(_ digest: [UInt8]) {
        guard digests.insert(digest).inserted else { return }
        order.append(digest)
        if order.count > capacity { digests.remove(order.removeFirst()) }
    }
}
