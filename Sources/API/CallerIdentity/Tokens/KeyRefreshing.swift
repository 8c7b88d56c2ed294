public import Exports
public import ServiceLifecycle

/// Fetches the keys of callers' tokens again each day, in the background, so that no token waits for it.
public struct KeyRefreshing: Service, CustomStringConvertible {
    /// How long after their time keys are fetched again at the latest.
    static let interval = Duration.seconds(60)

    private let keys: @Sendable () -> [SigningKeys]
    private let time: any TimeSource

    /// Makes the service.
    ///
    /// - Parameter authentication: Whose keys are fetched: the one of the moment, asked for at each interval.
    public init(time: any TimeSource, of authentication: @escaping @Sendable () -> Authentication) {
        self.init(time: time, keys: { authentication().signingKeys })
    }

    init(time: any TimeSource, keys: @escaping @Sendable () -> [SigningKeys]) {
        self.keys = keys
        self.time = time
    }

    public var description: String { "keys of callers' tokens" }

    public func run() async throws {
        await cancelWhenGracefulShutdown {
            while !Task.isCancelled {
                // The sleep fails only when the gateway ends.
                do { try await time.sleep(for: Self.interval) } catch { return }
                for tenant in keys() { await tenant.refresh() }
            }
        }
    }
}
