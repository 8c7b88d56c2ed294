import AsyncHTTPClient
import Exports
import HTTPTypes
import Logging
import NIOCore
public import NIOPosix

/// The gateway's one HTTP client: sockets, TLS and connection pools, without any opinion on what is called.
///
/// Redirects and decompression are off: both are decided where their consequences are known. HTTP/1.1 only, because
/// many large downloads over one HTTP/2 connection share one flow-control window.
public struct UpstreamTransport: Sendable {
    let client: HTTPClient
    let heavyWork = HeavyWork()

    /// Makes the client; `shutdown` must be called before it is let go.
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
        let budget = ReceiveBudget()
        let silence = TimeAmount.milliseconds(idleTimeout.milliseconds)
        // The one place where AsyncHTTPClient lets a connection's channel be set up.
        configuration.http1_1ConnectionDebugInitializer = { channel in
            channel.eventLoop.makeCompletedFuture {
                try budget.admit(channel)
                try SilenceTimeout.add(to: channel, limit: silence)
                try ResponseFraming.add(to: channel)
            }
        }
        // AsyncHTTPClient's spans carry whole URLs, and a query can be a SAS signature.
        configuration.tracing.tracer = nil
        client = HTTPClient(eventLoopGroupProvider: .shared(eventLoopGroup), configuration: configuration)
    }

    /// Closes every connection. Calls under way fail.
    public func shutdown() async throws {
        try await client.shutdown()
        try await heavyWork.shutdown()
    }
}
