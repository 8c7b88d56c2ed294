import NIOCore
import NIOPosix
import NIOSSL
import NIOTLS
import TestSupport
import Testing
import UpstreamHTTP

@testable import SyslogTransport

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

@Suite(.timeLimit(.minutes(1))) struct TLSSyslogTests {
    @Test(arguments: [("IP:127.0.0.1", true), ("IP:127.0.0.2", false), ("DNS:127.0.0.1.example", false)])
    func theCertificateIsForTheHost(name: String, isGood: Bool) async throws {
        let files = try CertificateFiles()
        let listener = try await Listener.start(files, name: name)
        #expect(try await connects(listener, trusting: files) == isGood)
        try await listener.stop()
    }

    @Test func theAuthorityIsKnown() async throws {
        let (files, others) = (try CertificateFiles(), try CertificateFiles())
        let listener = try await Listener.start(files)
        #expect(try await !connects(listener, trusting: others))
        #expect(try await !connects(listener, trusting: nil))
        #expect(try await connects(listener, trusting: files))
        try await listener.stop()
    }

    /// In TLS 1.3 the client's handshake succeeds before the collector has looked at its certificate.
    @Test func aCollectorThatWantsACertificateEndsTheConnection() async throws {
        let files = try CertificateFiles()
        let listener = try await Listener.start(files, wantsCertificate: true)
        let ends = Events<Bool>()
        let connection = try await listener.connector(trusting: files)
            .connect(within: .seconds(20)) { ends.add(true) }
        await ends.reach(1)
        let reason = try #require(connection.end)
        #expect(!(reason is SyslogFailure), "\(reason) says nothing of TLS")
        await #expect(throws: (any Error).self) { try await connection.send([1], within: .seconds(20)) }
        try await listener.stop()
    }

    @Test func aCollectorThatReadsNothingEndsTheConnection() async throws {
        let files = try CertificateFiles()
        let listener = try await Listener.start(files, readsNothing: true)
        let connection = try await listener.connector(trusting: files).connect(within: .seconds(20)) {}
        // More than the buffers of both systems hold.
        let bytes = [UInt8](repeating: 0, count: 32 << 20)
        await #expect(throws: SyslogFailure.timeout) { try await connection.send(bytes, within: .milliseconds(300)) }
        #expect(connection.end as? SyslogFailure == .timeout)
        try await listener.stop()
    }

    @Test func theTimeToConnectIsBounded() async throws {
        let listener = try await Listener.start(nil)
        let connector = try listener.connector(trusting: nil)
        await #expect(throws: SyslogFailure.timeout) { try await connector.connect(within: .milliseconds(200)) {} }
        // The connection that nobody waits for is closed.
        await listener.closings.reach(1)
        try await listener.stop()
    }

    @Test func whoIsCancelledWaitsForNobody() async throws {
        let listener = try await Listener.start(nil)
        let connector = try listener.connector(trusting: nil)
        let connecting = Task { _ = try await connector.connect(within: .seconds(600)) {} }
        await listener.connections.reach(1)
        connecting.cancel()
        await #expect(throws: CancellationError.self) { try await connecting.value }
        await listener.closings.reach(1)
        try await listener.stop()
    }

    @Test func theTimeToCloseIsBounded() async throws {
        let files = try CertificateFiles()
        let listener = try await Listener.start(files, readsNothing: true)
        let connection = try await listener.connector(trusting: files).connect(within: .seconds(20)) {}
        let duration = await ContinuousClock().measure { await connection.close(within: .milliseconds(50)) }
        // TLS alone waits 5 s for the other end.
        #expect(duration < .seconds(4) && connection.end != nil)
        try await listener.stop()
    }

    @Test func aCollectorThatIsGoneWithoutAWordIsNoticed() async throws {
        let files = try CertificateFiles()
        let listener = try await Listener.start(files)
        let connection = try await listener.connector(trusting: files).connect(within: .seconds(20)) {}
        let channel = try #require(connection as? TLSSyslogConnection).channel
        #expect(try await channel.getOption(.socketOption(.so_keepalive)).get() != 0)
        #if os(Linux)
        let options = [(TCP_KEEPIDLE, 5), (TCP_KEEPINTVL, 1), (TCP_KEEPCNT, 5), (TCP_USER_TIMEOUT, 10_000)]
        for (option, value) in options {
            let found = try await channel.getOption(.tcpOption(NIOBSDSocket.Option(rawValue: option))).get()
            #expect(Int(found) == value)
        }
        #endif
        await connection.close(within: .seconds(1))
        try await listener.stop()
    }

    private func connects(_ listener: Listener, trusting files: CertificateFiles?) async throws -> Bool {
        let connector = try listener.connector(trusting: files)
        guard let connection = try? await connector.connect(within: .seconds(20), onEnd: {}) else { return false }
        await connection.close(within: .zero)
        return true
    }
}

/// A collector of syslog.
private struct Listener {
    let connections: Events<Bool>
    let closings: Events<Bool>
    private let channel: any Channel

    /// Without `files` it accepts connections, and says nothing.
    static func start(
        _ files: CertificateFiles?,
        name: String = "IP:127.0.0.1",
        wantsCertificate: Bool = false,
        readsNothing: Bool = false
    ) async throws -> Listener {
        var context: NIOSSLContext?
        if let files {
            let (chain, key) = try files.issue(for: name)
            var configuration = TLSConfiguration.makeServerConfiguration(
                certificateChain: try NIOSSLCertificate.fromPEMBytes(Array(chain.utf8)).map { .certificate($0) },
                privateKey: .privateKey(try NIOSSLPrivateKey(bytes: Array(key.utf8), format: .pem))
            )
            configuration.minimumTLSVersion = .tlsv13
            if wantsCertificate {
                configuration.certificateVerification = .noHostnameVerification
                configuration.trustRoots = .file(files.authority)
            }
            context = try NIOSSLContext(configuration: configuration)
        }
        let (tls, connections, closings) = (context, Events<Bool>(), Events<Bool>())
        let channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    connections.add(true)
                    channel.closeFuture.whenComplete { _ in closings.add(true) }
                    guard let tls else { return }
                    try channel.pipeline.syncOperations.addHandlers([
                        NIOSSLServerHandler(context: tls), Reader(readsNothing: readsNothing),
                    ])
                }
            }
            .bind(host: "127.0.0.1", port: 0)
            .get()
        return Listener(connections: connections, closings: closings, channel: channel)
    }

    func connector(trusting files: CertificateFiles?) throws -> TLSSyslogConnector {
        var settings = SyslogSettings(host: "127.0.0.1")
        settings.port = channel.localAddress?.port ?? 0
        settings.authorities = files.flatMap { TrustedAuthorities(pemFile: $0.authority) }
        return try TLSSyslogConnector(settings)
    }

    func stop() async throws { try await channel.close() }

    private final class Reader: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer

        private let readsNothing: Bool

        init(readsNothing: Bool) { self.readsNothing = readsNothing }

        func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
            if readsNothing, case .handshakeCompleted = event as? TLSUserEvent {
                context.channel.setOption(.autoRead, value: false).whenFailure { _ in }
            }
            context.fireUserInboundEventTriggered(event)
        }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {}

        func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
    }
}
