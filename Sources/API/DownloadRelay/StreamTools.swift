import Exports
import Logging

/// How a download was resumed. The raw value is a metric label.
enum ResumptionWay: String, Sendable, CaseIterable {
    /// The upstream sent the rest under the same strong validator.
    case range
    /// The file was read again, and the part that had been read before was the same.
    case proof = "reread"
}

/// The tools that every stream of a file needs.
struct StreamTools: Sendable {
    var time: any TimeSource
    var limits: Resumption.Limits
    var firstByteTimeout: Duration
    var random: @Sendable () -> UInt64
    var logger: Logger
    var meters: DownloadMeters

    /// A factor between a half and one, so that downloads that broke off together do not come back at the same time.
    func jitter() -> Double { 0.5 + Double(random() >> 11) * 0x1p-54 }

    func resumed(_ way: ResumptionWay, _ source: FileSource, at position: Int64) {
        meters.resumed(way)
        logger.notice(
            "download resumed",
            metadata: [
                "export": "\(source.export)", "file": "\(source.file.id)", "mode": "\(way.rawValue)",
                "position": "\(position)",
            ]
        )
    }

    private enum Outcome<Value: Sendable>: Sendable {
        case opened(Result<Value, GatewayError>)
        case timedOut
        /// The timer ended because the task was cancelled: the work ends by itself.
        case clockStopped
    }

    /// Returns the result of `work`, or throws `upstreamTimeout` if that takes too long. `work` is then cancelled, and has
    /// ended when this throws.
    func withinFirstByteTimeout<Value: Sendable>(
        _ work: @escaping @Sendable () async throws(GatewayError) -> Value
    ) async throws(GatewayError) -> Value {
        let (time, limit) = (time, firstByteTimeout)
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
