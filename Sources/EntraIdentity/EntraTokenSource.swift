public import Exports
import Synchronization
public import UpstreamHTTP

/// The tokens of one application in one tenant, by client credentials.
///
/// One fetch at a time for each scope, however many ask: the first asker fetches, the others wait for it; if it is
/// cancelled, one of them goes on. Tokens are renewed before they end, and used to their end when renewal fails.
public final class EntraTokenSource: AccessTokenSource {
    private struct Scope {
        var cache = TokenCache()
        var waiters: [UInt64: CheckedContinuation<Turn, Never>] = [:]
    }

    private struct State {
        var scopes: [TokenScope: Scope] = [:]
        var nextWaiter: UInt64 = 0
        var cancelled: Set<UInt64> = []
    }

    private enum Turn: Sendable {
        case use(AccessToken)
        case fail(ProviderError)
        case askAgain
        case cancelled
    }

    private let endpoint: TokenEndpoint
    private let time: any TimeSource
    private let state = Mutex(State())

    /// Makes a source for `clientID` in `tenant` (an id or a verified domain), at `authority`, the login host's root.
    ///
    /// `client` makes the calls; its settings must let it call the authority's host without a bearer.
    public init(
        authority: UpstreamURL,
        tenant: String,
        clientID: String,
        credential: EntraCredential,
        client: UpstreamClient,
        time: any TimeSource
    ) {
        endpoint = TokenEndpoint(
            url: authority.appending(path: [tenant, "oauth2", "v2.0", "token"]),
            clientID: clientID,
            credential: credential,
            client: client
        )
        self.time = time
    }

    public func accessToken(
        for scope: TokenScope,
        context: CallContext,
        replacing rejected: AccessToken?
    ) async throws(ProviderError) -> AccessToken {
        var rejected = rejected
        while true {
            let action = state.withLock {
                $0.scopes[scope, default: Scope()].cache.requested(at: time.now(), replacing: rejected)
            }
            rejected = nil
            switch action {
            case .use(let token): return token
            case .refuse(let error): throw error
            case .fetch: return try await fetch(scope, context: context)
            case .wait:
                switch await turn(of: scope) {
                case .use(let token): return token
                case .fail(let error): throw error
                case .askAgain: continue
                case .cancelled: throw Self.givenUp
                }
            }
        }
    }

    private func fetch(_ scope: TokenScope, context: CallContext) async throws(ProviderError) -> AccessToken {
        do throws(ProviderError) {
            let grant = try await endpoint.requestToken(for: scope, context: context)
            let token = settle(scope) { cache in
                let token = cache.fetched(grant)
                return (token, .use(token))
            }
            return token
        } catch {
            let now = time.now()
            let kept: AccessToken? = settle(scope) { cache in
                if Task.isCancelled {
                    cache.gaveUp()
                    return (nil, .askAgain)
                }
                let kept = cache.failed(error, at: now)
                return (kept, kept.map(Turn.use) ?? .fail(error))
            }
            if let kept { return kept }
            throw error
        }
    }

    /// Tells the cache an outcome, and everybody who waits for it.
    private func settle<Result>(_ scope: TokenScope, _ event: (inout TokenCache) -> (Result, Turn)) -> Result {
        let (result, turn, waiters) = state.withLock { state in
            var entry = state.scopes[scope] ?? Scope()
            let (result, turn) = event(&entry.cache)
            let waiters = Array(entry.waiters.values)
            entry.waiters = [:]
            state.scopes[scope] = entry
            return (result, turn, waiters)
        }
        for waiter in waiters { waiter.resume(returning: turn) }
        return result
    }

    private func turn(of scope: TokenScope) async -> Turn {
        let id = state.withLock { state in
            state.nextWaiter += 1
            return state.nextWaiter
        }
        // A cancellation that comes after the turn leaves its mark behind.
        defer { state.withLock { _ = $0.cancelled.remove(id) } }
        return await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let immediate = state.withLock { state -> Turn? in
                    if state.cancelled.remove(id) != nil { return .cancelled }
                    // The fetch may have ended between the question and this line: then ask again.
                    guard var entry = state.scopes[scope], entry.cache.isFetching else { return .askAgain }
                    entry.waiters[id] = continuation
                    state.scopes[scope] = entry
                    return nil
                }
                if let immediate { continuation.resume(returning: immediate) }
            }
        } onCancel: {
            let waiter = state.withLock { state -> CheckedContinuation<Turn, Never>? in
                guard let waiter = state.scopes[scope]?.waiters.removeValue(forKey: id) else {
                    state.cancelled.insert(id)
                    return nil
                }
                return waiter
            }
            waiter?.resume(returning: .cancelled)
        }
    }

    private static var givenUp: ProviderError {
        ProviderError(.transient, "The call was given up.", cause: CancellationError())
    }
}
