import Exports

/// The longest time until the first byte of a file has come, all calls upstream included.
struct FirstByteTimeout: Sendable {
    let limit: Duration
    let time: any TimeSource

    private enum Outcome<Value: Sendable>: Sendable {
        case opened(Result<Value, GatewayError>)
        case timedOut
        /// The timer ended because the task was cancelled: the work ends by itself.
        case clockStopped
    }

    /// Returns the result of `work`, or throws `upstreamTimeout` if that takes too long. `work` is then cancelled, and has
    /// ended when this throws.
    func within<Value: Sendable>(
        _ work: @escaping @Sendable () async throws(GatewayError) -> Value
    ) async throws(GatewayError) -> Value {
        let (time, limit) = (time, limit)
        let result = await withTaskGroup(of: Outcome<Value>.self) { group -> Result<Value, GatewayError>? in
            group.addTask {
                do throws(GatewayError) {
                    return .opened(.success(try await work()))
                } catch {
                    return .opened(.failure(error))
                }
            }
            group.addTask {
                do {
                    try await time.deadline(after: limit)
                    return .timedOut
                } catch {
                    return .clockStopped
                }
            }
            defer { group.cancelAll() }
            for await outcome in group {
                switch outcome {
                case .opened(let result): return result
                case .timedOut: return nil
                case .clockStopped: continue
                }
            }
            return nil
        }
        guard let result else {
            throw GatewayError(
                .upstreamTimeout,
                "The upstream did not send the first byte of the file within \(limit.wholeSecondsRoundedUp) seconds."
            )
        }
        return try result.get()
    }
}
