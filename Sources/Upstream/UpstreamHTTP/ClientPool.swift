import AsyncHTTPClient
import NIOCore
import NIOPosix

/// A client with its connections, and what others like it are made of.
struct ClientPool: Sendable {
    let client: HTTPClient
    private let eventLoopGroup: MultiThreadedEventLoopGroup
    private let configuration: HTTPClient.Configuration
    private let prepare: @Sendable (any Channel) throws -> Void

    /// `prepare` is called on each new connection, after the TLS handshake and before anything is sent.
    init(
        _ eventLoopGroup: MultiThreadedEventLoopGroup,
        _ configuration: HTTPClient.Configuration,
        prepare: @escaping @Sendable (any Channel) throws -> Void
    ) {
        self.eventLoopGroup = eventLoopGroup
        self.configuration = configuration
        self.prepare = prepare
        client = Self.client(eventLoopGroup, configuration, prepare)
    }

    /// A client without any connection yet, to be shut down by who asked for it. `onConnected` is called when it has one.
    func fresh(onConnected: @escaping @Sendable () -> Void) -> HTTPClient {
        Self.client(eventLoopGroup, configuration) { [prepare] channel in
            onConnected()
            try prepare(channel)
        }
    }

    private static func client(
        _ eventLoopGroup: MultiThreadedEventLoopGroup,
        _ configuration: HTTPClient.Configuration,
        _ prepare: @escaping @Sendable (any Channel) throws -> Void
    ) -> HTTPClient {
        var configuration = configuration
        // The only way in AsyncHTTPClient to set up a connection's channel.
        configuration.http1_1ConnectionDebugInitializer = { channel in
            channel.eventLoop.makeCompletedFuture { try prepare(channel) }
        }
        return HTTPClient(eventLoopGroupProvider: .shared(eventLoopGroup), configuration: configuration)
    }
}
