import Exports
import Synchronization
import UpstreamHTTP

/// Tokens by key, with at most one fetch at a time for each key.
///
/// The first task that needs a token fetches it, and the others wait. If the first one is cancelled, another one takes over. Tokens
/// are renewed before they expire. When that fails, they are used until they expire.
final class SharedTokens<Key: Hashable & Sendable>: Sendable {
    private struct Entry {
        var cache = TokenCache()
        var waiters: [UInt64: CheckedContinuation<Outcome, Never>] = [:]
        /// When it was last used: the number of the request.
        var usedAt: UInt64 = 0
        /// The order of eviction: the lowest is evicted first.
        var standing: (Int, UInt64) { (cache.hasToken ? 1 : 0, usedAt) }
    }

    private struct State {
        var entries: [Key: Entry] = [:]
        var questions: UInt64 = 0
        var nextWaiter: UInt64 = 0
        var cancelled: Set<UInt64> = []
        /// The pause that the authority asked for. It is for all keys (`Upstream-EntraID, Errors`).
        var held: Refusal?

        /// Evicts keys until one more fits. Keys without a token go first: otherwise a caller with many invalid tokens would
        /// evict the valid ones of others. Then go those that were unused for longest. Keys whose token is being fetched stay.
        mutating func evict(below capacity: Int) {
            while entries.count >= capacity {
                let last = entries.lazy.filter { !$0.value.cache.isFetching }
                    .min { $0.value.standing < $1.value.standing }
                guard let last else { return }
                entries[last.key] = nil
            }
        }
    }

    private enum Outcome: Sendable {
        case use(AccessToken)
        case fail(ProviderError)
        case askAgain
        case cancelled
    }

    private let time: any TimeSource
    private let capacity: Int
    private let state = Mutex(State())

    /// Keeps the tokens of `capacity` keys: those that are unused for longest are evicted.
    init(time: any TimeSource, capacity: Int) {
        self.time = time
        self.capacity = capacity
    }

    /// The token for `key`. `fetch` is called when there is none to use and no other task is fetching it.
    ///
    /// `rejected` is a token that the upstream has refused: another one is returned. Throws what `fetch` throws, for all tasks that
    /// wait, and `transient` when the task is cancelled.
    func token(
        for key: Key,
        replacing rejected: AccessToken?,
        fetch: () async throws(ProviderError) -> TokenGrant
    ) async throws(ProviderError) -> AccessToken {
        var rejected = rejected
        while true {
            switch requested(key, replacing: rejected) {
            case .use(let token): return token
            case .refuse(let error): throw error
            case .fetch: return try await settled(key, fetch)
            case .wait:
                switch await outcome(of: key) {
                case .use(let token): return token
                case .fail(let error): throw error
                case .askAgain: break
                case .cancelled: throw Self.givenUp
                }
            }
            rejected = nil
        }
    }

    /// The refresh token that came with the token in use for `key`.
    func refreshToken(for key: Key) -> Secret? { state.withLock { $0.entries[key]?.cache.refreshToken } }

    /// Removes a stored refusal for `key`, because there is a new credential to try.
    func forgive(_ key: Key) { state.withLock { $0.entries[key]?.cache.forgive() } }

    private func requested(_ key: Key, replacing rejected: AccessToken?) -> TokenCache.Action {
        state.withLock { state in
            state.questions += 1
            if state.entries[key] == nil { state.evict(below: capacity) }
            var entry = state.entries[key] ?? Entry()
            entry.usedAt = state.questions
            let now = time.now()
            if let held = state.held, !held.stands(at: now) { state.held = nil }
            let action = entry.cache.requested(at: now, replacing: rejected, held: state.held)
            state.entries[key] = entry
            return action
        }
    }

    private func settled(
        _ key: Key,
        _ fetch: () async throws(ProviderError) -> TokenGrant
    ) async throws(ProviderError) -> AccessToken {
        do throws(ProviderError) {
            let grant = try await fetch()
            return settle(key) { cache in
                let token = cache.fetched(grant)
                return (token, .use(token))
            }
        } catch {
            let now = time.now()
            if [.throttled, .transient].contains(error.code), let pause = error.retryAfter {
                state.withLock { $0.held = Refusal(error, from: now, for: pause) }
            }
            let kept: AccessToken? = settle(key) { cache in
                if Task.isCancelled {
                    cache.gaveUp()
                    return (nil, .askAgain)
                }
                let kept = cache.failed(error, at: now)
                return (kept, kept.map(Outcome.use) ?? .fail(error))
            }
            if let kept { return kept }
            throw error
        }
    }

    /// Passes an outcome to the cache and to all tasks that wait for it.
    private func settle<Result>(_ key: Key, _ event: (inout TokenCache) -> (Result, Outcome)) -> Result {
        let (result, outcome, waiters) = state.withLock { state in
            var entry = state.entries[key] ?? Entry()
            let (result, outcome) = event(&entry.cache)
            let waiters = Array(entry.waiters.values)
            entry.waiters = [:]
            state.entries[key] = entry
            return (result, outcome, waiters)
        }
        for waiter in waiters { waiter.resume(returning: outcome) }
        return result
    }

    private func outcome(of key: Key) async -> Outcome {
        let id = state.withLock { state in
            state.nextWaiter += 1
            return state.nextWaiter
        }
        // A cancellation after the outcome has inserted the id, and nobody else removes it.
        defer { state.withLock { _ = $0.cancelled.remove(id) } }
        return await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let immediate = state.withLock { state -> Outcome? in
                    if state.cancelled.remove(id) != nil { return .cancelled }
                    // The fetch may have ended since the cache said that the task has to wait.
                    guard var entry = state.entries[key], entry.cache.isFetching else { return .askAgain }
                    entry.waiters[id] = continuation
                    state.entries[key] = entry
                    return nil
                }
                if let immediate { continuation.resume(returning: immediate) }
            }
        } onCancel: {
            let waiter = state.withLock { state -> CheckedContinuation<Outcome, Never>? in
                guard let waiter = state.entries[key]?.waiters.removeValue(forKey: id) else {
                    state.cancelled.insert(id)
                    return nil
                }
                return waiter
            }
            waiter?.resume(returning: .cancelled)
        }
    }

    private static var givenUp: ProviderError {
        ProviderError(.transient, "The call was cancelled.", cause: CancellationError())
    }
}
