import CoreMetrics
import Exports
import Logging
import Synchronization

/// One tenant's keys. Concurrent requests share one fetch.
final class SigningKeys: Sendable {
    private struct State {
        var cache: SigningKeyCache
        var fetch: Task<Void, Never>?
    }

    private enum Step: Sendable {
        case done(SigningKeyCache.Answer)
        case wait(Task<Void, Never>)
    }

    private let authority: TokenAuthority
    private let tenantID: String
    private let time: any TimeSource
    private let logger: Logger
    private let metrics: any MetricsFactory
    private let state: Mutex<State>

    init(
        authority: TokenAuthority,
        tenantID: String,
        time: any TimeSource,
        logger: Logger,
        metrics: any MetricsFactory
    ) {
        self.authority = authority
        self.tenantID = tenantID
        self.time = time
        self.logger = logger
        self.metrics = metrics
        state = Mutex(State(cache: SigningKeyCache(interval: authority.keyRefreshInterval)))
    }

    /// The key with this id. Throws `unknownKey` where the authority has none, and `keysUnavailable` where the authority did not
    /// answer, or may not be called yet.
    func key(_ keyID: String) async throws(TokenRefusal) -> SigningKey {
        let answer: SigningKeyCache.Answer
        switch step(for: keyID) {
        case .done(let known): answer = known
        case .wait(let fetch):
            await fetch.value
            let now = time.now()
            answer = state.withLock { $0.cache.answerAfterFetch(for: keyID, at: now) }
        }
        switch answer {
        case .use(let key): return key
        case .unknown: throw TokenRefusal(.unknownKey)
        case .unavailable(let retryAfter): throw TokenRefusal(.keysUnavailable, retryAfter: retryAfter)
        case .fetch: throw TokenRefusal(.keysUnavailable, retryAfter: .zero)
        }
    }

    /// Fetches keys again that were fetched a day ago or before; returns when others came, or did not. Cancelled, it ends the
    /// fetch.
    func refresh() async {
        let now = time.now()
        let fetch = state.withLock { state in
            state.fetch == nil && state.cache.isDue(at: now) ? begin(&state, at: now) : nil
        }
        await withTaskCancellationHandler {
            await fetch?.value
        } onCancel: {
            fetch?.cancel()
        }
    }

    private func step(for keyID: String) -> Step {
        let now = time.now()
        return state.withLock { state in
            let answer = state.cache.answer(for: keyID, at: now)
            if case .use = answer { return .done(answer) }
            if let fetch = state.fetch { return .wait(fetch) }
            guard case .fetch = answer else { return .done(answer) }
            return .wait(begin(&state, at: now))
        }
    }

    private func begin(_ state: inout State, at now: Timestamp) -> Task<Void, Never> {
        state.cache.began(at: now)
        // A new task, because several requests wait for it: it must not be cancelled when the first of them is. All of them
        // await it, and the time limit of the documents bounds it.
        let fetch = Task { await self.fetch() }
        state.fetch = fetch
        return fetch
    }

    private func fetch() async {
        let keys: [String: SigningKey]?
        do {
            keys = try await authority.signingKeys(of: tenantID)
        } catch {
            keys = nil
            logger.warning(
                "the authority's keys cannot be fetched",
                metadata: ["tenant": .string(tenantID), "error": .string(String(reflecting: type(of: error)))]
            )
        }
        let now = time.now()
        state.withLock { state in
            if let keys { state.cache.fetched(keys, at: now) } else { state.cache.failed(at: now) }
            state.fetch = nil
        }
        Counter(
            label: "export_gateway_signing_key_fetches_total",
            dimensions: [("outcome", keys == nil ? "failed" : "fetched")],
            factory: metrics
        )
        .increment()
    }
}
