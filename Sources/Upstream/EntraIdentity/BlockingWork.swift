import Dispatch
import Exports
import Synchronization

/// Runs work that blocks its thread, such as reading files and using hardware modules, one piece after the other. It runs on its own
/// queue, so that it does not block the threads of Swift's tasks.
struct BlockingWork: Sendable {
    private let queue: DispatchQueue

    init(label: String) { queue = DispatchQueue(label: label) }

    /// Returns or throws what `work` does. Throws `transient` when the task is cancelled: work that has begun continues without a
    /// waiter, and work that has not begun is skipped.
    func run<Value: Sendable>(
        _ work: @escaping @Sendable () throws(ProviderError) -> Value
    ) async throws(ProviderError) -> Value {
        let answer = Answer<Value>()
        let result = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                guard answer.wait(continuation) else { return }
                queue.async {
                    guard answer.isAwaited else { return }
                    do throws(ProviderError) {
                        answer.give(.success(try work()))
                    } catch {
                        answer.give(.failure(error))
                    }
                }
            }
        } onCancel: {
            answer.give(
                .failure(ProviderError(.transient, "The call was cancelled.", cause: CancellationError()))
            )
        }
        return try result.get()
    }
}

/// One result for one waiter. Only the first result that is given counts.
private final class Answer<Value: Sendable>: Sendable {
    private typealias Continuation = CheckedContinuation<Result<Value, ProviderError>, Never>

    private enum State {
        case open
        case awaited(Continuation)
        case given(Result<Value, ProviderError>)
    }

    private let state = Mutex(State.open)

    var isAwaited: Bool {
        state.withLock { if case .awaited = $0 { true } else { false } }
    }

    /// False when the result was there already: it was passed to `continuation`.
    func wait(_ continuation: CheckedContinuation<Result<Value, ProviderError>, Never>) -> Bool {
        let given = state.withLock { state -> Result<Value, ProviderError>? in
            if case .given(let result) = state { return result }
            state = .awaited(continuation)
            return nil
        }
        if let given { continuation.resume(returning: given) }
        return given == nil
    }

    func give(_ result: Result<Value, ProviderError>) {
        let continuation = state.withLock { state -> Continuation? in
            defer { if case .given = state {} else { state = .given(result) } }
            if case .awaited(let continuation) = state { return continuation }
            return nil
        }
        continuation?.resume(returning: result)
    }
}
