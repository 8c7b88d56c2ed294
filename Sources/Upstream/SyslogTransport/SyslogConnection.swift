import Exports
import NIOCore
import NIOPosix
import NIOSSL
import UpstreamHTTP

/// Opens connections.
protocol SyslogConnector: Sendable {
    /// Throws any error where there is none.
    func connect() async throws -> any SyslogConnection
}

/// An open connection. It is used by one task.
protocol SyslogConnection: Sendable {
    /// False where the other end has closed it.
    var isOpen: Bool { get }

    /// Returns when the bytes were given to the system. Throws any error where that is not possible.
    func send(_ bytes: [UInt8]) async throws

    func close() async
}

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

    func connect() async throws -> any SyslogConnection {
        let (context, host) = (context, settings.host)
        // No name of a host is an address; the certificate then names the address.
        let isAddress = (try? SocketAddress(ipAddress: host, port: 0)) != nil
        let channel = try await ClientBootstrap(group: group)
            .connectTimeout(.milliseconds(settings.timeout.milliseconds))
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let tls = try NIOSSLClientHandler(context: context, serverHostname: isAddress ? nil : host)
                    try channel.pipeline.syncOperations.addHandlers([tls, SyslogAnswerHandler()])
                }
            }
            .connect(host: host, port: settings.port)
            .get()
        return TLSSyslogConnection(channel: channel, timeout: settings.timeout)
    }
}

private struct TLSSyslogConnection: SyslogConnection {
    let channel: any Channel
    let timeout: Duration

    var isOpen: Bool { channel.isActive }

    func send(_ bytes: [UInt8]) async throws {
        // The write ends when the connection is closed.
        let limit = channel.eventLoop.scheduleTask(in: .milliseconds(timeout.milliseconds)) {
            channel.close(promise: nil)
        }
        defer { limit.cancel() }
        // With the first one comes the TLS handshake, whose failure is the failure of the write.
        try await channel.writeAndFlush(ByteBuffer(bytes: bytes)).get()
    }

    func close() async { try? await channel.close().get() }
}

/// Reads nothing: a collector answers nothing. Errors close the connection.
private final class SyslogAnswerHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {}

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}
