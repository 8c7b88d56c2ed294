import Exports
import Synchronization
import Webhooks

/// A receiver, as a test has it.
final class ScriptedSender: WebhookSender {
    struct Received: Sendable {
        var url: String
        var id: String
        var fields: [String: String]
        var body: [UInt8]
        var time: Timestamp
    }

    private struct State {
        var received: [Received] = []
        var answers: [String: [Result<WebhookAnswer, WebhookSendFailure>]] = [:]
        var usual: Result<WebhookAnswer, WebhookSendFailure> = .success(WebhookAnswer(status: 204, retryAfter: nil))
        var isHeld = false
        var held: [CheckedContinuation<Void, Never>] = []
        var running = 0
        var most = 0
    }

    private let state = Mutex(State())
    private let time: any TimeSource

    init(time: any TimeSource) { self.time = time }

    var received: [Received] { state.withLock { $0.received } }
    /// How many requests are under way.
    var running: Int { state.withLock { $0.running } }
    /// How many requests are not answered until `release`.
    var heldCount: Int { state.withLock { $0.held.count } }
    /// The most that were under way at a time.
    var most: Int { state.withLock { $0.most } }

    /// What is answered where nothing else is said.
    func answers(_ usual: Result<WebhookAnswer, WebhookSendFailure>) { state.withLock { $0.usual = usual } }

    func answers(_ status: Int, retryAfter: Duration? = nil) {
        answers(.success(WebhookAnswer(status: status, retryAfter: retryAfter)))
    }

    /// What is answered next to messages of a URL.
    func next(_ answers: [Result<WebhookAnswer, WebhookSendFailure>], of url: String) {
        state.withLock { $0.answers[url, default: []] += answers }
    }

    /// Answers nothing until `release`.
    func hold() { state.withLock { $0.isHeld = true } }

    /// Answers so many of those that are held.
    func release(_ count: Int) {
        let released = state.withLock { state in
            let released = Array(state.held.prefix(count))
            state.held.removeFirst(released.count)
            return released
        }
        for continuation in released { continuation.resume() }
    }

    func release() {
        let held = state.withLock { state in
            state.isHeld = false
            defer { state.held = [] }
            return state.held
        }
        for continuation in held { continuation.resume() }
    }

    func check(_ url: String) throws(WebhookSendFailure) {
        guard url.hasPrefix("https://") else { throw .invalidURL }
        if url.contains("localhost") { throw .forbiddenAddress }
    }

    func send(_ request: WebhookRequest) async throws(WebhookSendFailure) -> WebhookAnswer {
        let fields = Dictionary(request.fields.map { ($0.name, $0.value) }, uniquingKeysWith: { first, _ in first })
        state.withLock { state in
            state.received.append(
                Received(
                    url: request.url,
                    id: fields["webhook-id"] ?? "",
                    fields: fields,
                    body: request.body,
                    time: time.now()
                )
            )
            state.running += 1
            state.most = max(state.most, state.running)
        }
        defer { state.withLock { $0.running -= 1 } }
        await withCheckedContinuation { continuation in
            let goesOn = state.withLock { state in
                if state.isHeld { state.held.append(continuation) }
                return !state.isHeld
            }
            if goesOn { continuation.resume() }
        }
        let answer = state.withLock { state in
            guard state.answers[request.url]?.isEmpty == false else { return state.usual }
            return state.answers[request.url]?.removeFirst() ?? state.usual
        }
        return try answer.get()
    }
}
