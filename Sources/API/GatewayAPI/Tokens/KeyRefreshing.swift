import Exports
import ServiceLifecycle

/// Fetches the authority's keys anew each day, in the background: no token waits for that.
struct KeyRefreshing: Service, CustomStringConvertible {
    /// How long keys may be used beyond their time.
    static let interval = Duration.seconds(60)

    let keys: [SigningKeys]
    let time: any TimeSource

    var description: String { "keys of callers' tokens" }

    func run() async throws {
        await cancelWhenGracefulShutdown {
            while !Task.isCancelled {
                // Cancelled at the end: there is nothing to fetch any more.
                do { try await time.sleep(for: Self.interval) } catch { return }
                for tenant in keys { await tenant.refresh() }
            }
        }
    }
}
