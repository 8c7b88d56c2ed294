import Exports

extension DownloadRelay {
    private enum Outcome: Sendable {
        case opened(Result<OpenedFile, GatewayError>)
        case timedOut
        /// The clock stopped because the task was cancelled: the work ends by itself.
        case clockStopped
    }

    /// What `work` gives, or `upstreamTimeout` if that takes too long: then `work` is cancelled, and has ended when this
    /// throws.
    func withinFirstByteTimeout(
        _ work: @escaping @Sendable () async throws(GatewayError) -> OpenedFile
    ) async throws(GatewayError) -> OpenedFile {
        let (time, limit) = (time, settings.firstByteTimeout)
        let result = await withTaskGroup(of: Outcome.self) { group -> Result<OpenedFile, GatewayError>? in
            group.addTask {
                do throws(GatewayError) {
                    return .opened(.success(try await work()))
                } catch {
                    return .opened(.failure(error))
                }
            }
            group.addTask {
                do {
                    try await time.sleep(for: limit)
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
