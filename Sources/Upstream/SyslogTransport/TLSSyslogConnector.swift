import Exports
import NIOCore
import NIOPosix
import NIOSSL
import UpstreamHTTP

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// Connections over TLS (RFC 5425). The host's certificate is checked, and names the host.
struct TLSSyslogConnector: SyslogConnector {
    private let settings: SyslogSettings
    private let context: NIOSSLContext
    private let group: MultiThreadedEventLoopGroup

    /// Throws what NIOSSL throws where it cannot read the system's certificate authorities, or the identity is none.
    init(_ settings: SyslogSettings, group: MultiThreadedEventLoopGroup = .singleton) throws {
        var configuration = TLSConfiguration.makeClientConfiguration()
        configuration.minimumTLSVersion = .tlsv12
        if let authorities = settings.authorities {
            configuration.additionalTrustRoots = [.certificates(authorities.certificates)]
        }
        if let identity = settings.identity {
            configuration.certificateChain = identity.chain.map { .certificate($0) }
            configuration.privateKey = .privateKey(identity.key)
        }
        context = try NIOSSLContext(configuration: configuration)
        (self.settings, self.group) = (settings, group)
    }

    func connect(within limit: Duration, onEnd: @escaping @Sendable () -> Void) async throws -> any SyslogConnection {
        let (context, host, eventLoop) = (context, settings.host, group.next())
        // No name of a host is an address; the certificate then names the address.
        let isAddress = (try? SocketAddress(ipAddress: host, port: 0)) != nil
        let opening = eventLoop.makePromise(of: TLSSyslogConnection.self)
        // Bounds all of it: finding the address, connecting, and the handshake.
        let timer = eventLoop.scheduleTask(in: .milliseconds(limit.milliseconds)) {
            opening.fail(SyslogFailure.timeout)
        }
        defer { timer.cancel() }
        ClientBootstrap(group: eventLoop)
            .connectTimeout(.milliseconds(max(1, limit.milliseconds)))
            .findingOut(within: settings.timeout)
            .connect(host: host, port: settings.port)
            .flatMap { channel -> EventLoopFuture<TLSSyslogConnection> in
                // Whoever gives up does not wait; what is opened nevertheless is closed here.
                opening.futureResult.whenFailure { _ in channel.cut() }
                return TLSSyslogConnection.open(on: channel, SyslogEnd(onEnd)) {
                    try NIOSSLClientHandler(context: context, serverHostname: isAddress ? nil : host)
                }
            }
            .cascade(to: opening)
        return try await withTaskCancellationHandler {
            try await opening.futureResult.get()
        } onCancel: {
            opening.fail(CancellationError())
        }
    }
}

extension ClientBootstrap {
    /// Connections end where the other end is gone without a word: an idle one by keepalives, and one with bytes that nobody confirms. The
    /// values are made as those of the database's connections are (`PostgreSQLSettings`).
    fileprivate func findingOut(within limit: Duration) -> ClientBootstrap {
        let alive = channelOption(.socketOption(.so_keepalive), value: 1)
        #if os(Linux)
        let seconds = SocketOptionValue(max(1, limit.milliseconds / 2000))
        return
            alive
            .channelOption(.tcpOption(NIOBSDSocket.Option(rawValue: TCP_KEEPIDLE)), value: seconds)
            .channelOption(.tcpOption(NIOBSDSocket.Option(rawValue: TCP_KEEPINTVL)), value: 1)
            .channelOption(.tcpOption(NIOBSDSocket.Option(rawValue: TCP_KEEPCNT)), value: seconds)
            .channelOption(
                .tcpOption(NIOBSDSocket.Option(rawValue: TCP_USER_TIMEOUT)),
                value: SocketOptionValue(limit.milliseconds)
            )
        #else
        return alive
        #endif
    }
}
