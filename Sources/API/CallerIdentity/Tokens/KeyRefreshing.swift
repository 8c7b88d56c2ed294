import Exports
import ServiceLifecycle

/// Fetches the authority's keys again each day, in the background, so that no token waits for it.
struct KeyRefreshing: Service, CustomStringConvertible {
    /// How long after their time keys are fetched again at the latest.
    static let interval = Duration.seconds(60)

    let keys: [SigningKeys]
    let time: any TimeSource

    var description: String { "keys of callers' tokens" }

    func run() async throws {
        await cancelWhenGracefulShutdown {
            while !Task.isCancelled {
                // The sleep fails only when the gateway ends.
                do { try await time.sleep(for: Self.interval) } catch { return }
                for tenant in keys { await tenant.refresh() }
            }
        }
    }
}
