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
    let heavyWork: HeavyWork
    private let limits: Limits
    private let proxy: EgressProxy?
    /// The connections that are opened here.
    private let direct: ClientPool
    /// Those that the proxy opens.
    private let proxied: ClientPool?
    /// Whether the threads of `heavyWork` end with this transport.
    private let ownsThreads: Bool

    /// What the transports of one process share.
    fileprivate struct Limits: Sendable {
        let eventLoopGroup: MultiThreadedEventLoopGroup
        let connectTimeout: TimeAmount
        let silence: TimeAmount
        let connectionsPerHost: Int
        /// Those that count as the system's.
        let authorities: TrustedAuthorities?
        let budget = ReceiveBudget()
    }

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
        let limits = Limits(
            eventLoopGroup: eventLoopGroup,
            connectTimeout: .milliseconds(connectTimeout.milliseconds),
            silence: .milliseconds(idleTimeout.milliseconds),
            connectionsPerHost: connectionsPerHost,
            authorities: authorities
        )
        self.init(limits, Egress(), HeavyWork(), ownsThreads: true)
    }

    private init(_ limits: Limits, _ egress: Egress, _ heavyWork: HeavyWork, ownsThreads: Bool) {
        self.limits = limits
        self.heavyWork = heavyWork
        self.ownsThreads = ownsThreads
        proxy = egress.proxy
        direct = limits.pool(egress, by: nil)
        proxied = egress.proxy.map { limits.pool(egress, by: $0) }
    }

    /// A transport whose connections leave by `egress`, and are its own. Its limits are those of this one, whose threads and memory it
    /// uses: it must be shut down before this one.
    public func leaving(by egress: Egress) -> UpstreamTransport {
        UpstreamTransport(limits, egress, heavyWork, ownsThreads: false)
    }

    /// Closes every connection. Calls under way fail.
    public func shutdown() async throws {
        try await direct.client.shutdown()
        try await proxied?.client.shutdown()
        if ownsThreads { try await heavyWork.shutdown() }
    }

    /// The proxy that a call to `url` goes through; nil where it goes directly.
    func proxy(for url: UpstreamURL) -> EgressProxy? { proxy.flatMap { $0.carries(url) ? $0 : nil } }

    /// The client for calls to `url` that may go out on a kept connection.
    func client(for url: UpstreamURL) -> HTTPClient { pool(for: url).client }

    private func pool(for url: UpstreamURL) -> ClientPool {
        guard let proxied, proxy(for: url) != nil else { return direct }
        return proxied
    }

    /// Passes the client for a call to `url` to `body`. For a start it is a client without any connection yet: the upstream may close a
    /// kept connection just when it is used again (RFC 9112, 9.3.1), and then it is not known whether a POST was carried out.
    ///
    /// Throws `NeverSent` where a start failed before it had a connection, so that no byte of it was sent.
    func withClient<Answer: Sendable>(
        for url: UpstreamURL,
        forStart isStart: Bool,
        _ body: @Sendable (HTTPClient) async throws -> Answer
    ) async throws -> Answer {
        let pool = pool(for: url)
        guard isStart else { return try await body(pool.client) }
        let isConnected = Atomic(false)
        let fresh = pool.fresh { isConnected.store(true, ordering: .releasing) }
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
}

extension UpstreamTransport.Limits {
    /// The connections of `egress`, opened by `proxy` or directly.
    fileprivate func pool(_ egress: Egress, by proxy: EgressProxy?) -> ClientPool {
        var configuration = HTTPClient.Configuration(
            redirectConfiguration: .disallow,
            timeout: .init(connect: connectTimeout),
            decompression: .disabled
        )
        configuration.httpVersion = .http1Only
        configuration.tlsConfiguration = egress.tlsConfiguration(system: authorities)
        configuration.localAddress = egress.sourceAddress
        configuration.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = connectionsPerHost
        // AsyncHTTPClient's spans carry whole URLs, and a query can be a SAS signature.
        configuration.tracing.tracer = nil
        if let proxy {
            configuration.proxy = .server(
                host: proxy.url.host,
                port: proxy.url.port,
                authorization: proxy.credentials.map { .basic(username: $0.user, password: $0.password.reveal()) }
            )
            // Otherwise a wrong password would be shown to the proxy again and again within one call.
            configuration.connectionPool.retryConnectionEstablishment = false
        }
        return ClientPool(eventLoopGroup, configuration) { [budget, silence] channel in
            try budget.admit(channel)
            try SilenceTimeout.add(to: channel, limit: silence)
            try ResponseFraming.add(to: channel)
            try CertificateCheck.add(to: channel, isProxied: proxy != nil)
        }
    }
}
