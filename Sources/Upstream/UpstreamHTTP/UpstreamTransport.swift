import AsyncHTTPClient
import Exports
import HTTPTypes
import Logging
import NIOCore
public import NIOPosix
import Synchronization

/// The gateway's HTTP client: sockets, TLS and connection pools. It has no rules about which hosts are called.
///
/// Redirects and decompression are off, because `UpstreamClient` decides about both. HTTP/1.1 only, because many large downloads over
/// one HTTP/2 connection share one flow-control window.
public struct UpstreamTransport: Sendable {
    let client: HTTPClient
    let heavyWork = HeavyWork()
    private let eventLoopGroup: MultiThreadedEventLoopGroup
    private let configuration: HTTPClient.Configuration
    private let prepare: @Sendable (any Channel) throws -> Void

    /// Makes the client; `shutdown` must be called before it is released.
    ///
    /// `idleTimeout` is the longest silence of an upstream that is being read; a reader may pause as long as it likes.
    /// `connectionsPerHost` is a soft limit; without `authorities`, certificates are checked against those that the system
    /// trusts.
    public init(
        eventLoopGroup: MultiThreadedEventLoopGroup = .singleton,
        connectTimeout: Duration = .seconds(5),
        idleTimeout: Duration = .seconds(60),
        connectionsPerHost: Int = 256,
        authorities: TrustedAuthorities? = nil
    ) {
        var configuration = HTTPClient.Configuration(
            redirectConfiguration: .disallow,
            timeout: .init(connect: .milliseconds(connectTimeout.milliseconds)),
            decompression: .disabled
        )
        configuration.httpVersion = .http1Only
        configuration.tlsConfiguration = authorities?.configuration
        configuration.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = connectionsPerHost
        // AsyncHTTPClient's spans carry whole URLs, and a query can be a SAS signature.
        configuration.tracing.tracer = nil
        let budget = ReceiveBudget()
        let silence = TimeAmount.milliseconds(idleTimeout.milliseconds)
        prepare = { channel in
            try budget.admit(channel)
            try SilenceTimeout.add(to: channel, limit: silence)
            try ResponseFraming.add(to: channel)
        }
        self.eventLoopGroup = eventLoopGroup
        self.configuration = configuration
        client = Self.client(eventLoopGroup, configuration, prepare)
    }

    /// Closes every connection. Calls under way fail.
    public func shutdown() async throws {
        try await client.shutdown()
        try await heavyWork.shutdown()
    }

    /// Passes the client for a call to `body`. For a start it is a client without any connection yet: the upstream may close a kept
    /// connection just when it is used again (RFC 9112, 9.3.1), and then it is not known whether a POST was carried out.
    ///
    /// Throws `NeverSent` where a start failed before it had a connection, so that no byte of it was sent.
    func withClient<Answer: Sendable>(
        forStart isStart: Bool,
        _ body: @Sendable (HTTPClient) async throws -> Answer
    ) async throws -> Answer {
        guard isStart else { return try await body(client) }
        let isConnected = Atomic(false)
        let fresh = Self.client(eventLoopGroup, configuration) { [prepare] channel in
            isConnected.store(true, ordering: .releasing)
            try prepare(channel)
        }
        let outcome: Result<Answer, any Error>
        do {
            outcome = .success(try await body(fresh))
        } catch {
            outcome = .failure(isConnected.load(ordering: .acquiring) ? error : NeverSent(cause: error))
        }
        // The call has ended, so an error while closing its connection does not matter.
        try? await fresh.shutdown()
        return try outcome.get()
    }

    /// `prepare` is called on each new connection, after the TLS handshake and before anything is sent.
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
