import Exports
import ManualClock
import NIOCore
import NIOPosix
import NIOSSL
import NIOTLS
import ScriptedHost
import Synchronization
import TestSupport
import UpstreamHTTP
import WebhookTransport
import Webhooks

/// A resolver with an answer for each call; the last one is repeated.
final class ScriptedResolver: WebhookResolver {
    private let answers: [[String]]
    /// Each name that was asked for.
    let questions = Events<String>()

    init(_ answers: [[String]]) { self.answers = answers }

    func addresses(of name: String, port: Int) async throws(WebhookSendFailure) -> [SocketAddress] {
        let index = questions.add(name)
        do {
            return try answers[min(index, answers.count - 1)].map { try SocketAddress(ipAddress: $0, port: port) }
        } catch {
            throw .unresolved
        }
    }
}

/// A resolver that never answers.
struct SilentResolver: WebhookResolver {
    func addresses(of name: String, port: Int) async throws(WebhookSendFailure) -> [SocketAddress] {
        try? await ManualTime(pauses: .neverEnd).sleep(for: .zero)
        throw .unresolved
    }
}

/// Listeners on loopback, of IPv4 and of IPv6, that count the connections that they get.
struct LoopbackListeners {
    let connections: Events<Int>
    private let channels: [any Channel]
    /// The ports, each of them on both addresses.
    let ports: [Int]

    static func start(ports count: Int) async throws -> LoopbackListeners {
        let connections = Events<Int>()
        let bootstrap = ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelInitializer { channel in
                connections.add(channel.localAddress?.port ?? 0)
                return channel.close()
            }
        var (channels, ports): ([any Channel], [Int]) = ([], [])
        while ports.count < count {
            let first = try await bootstrap.bind(host: "127.0.0.1", port: 0).get()
            channels.append(first)
            let port = first.localAddress?.port ?? 0
            // Another program may have the same port on the other address.
            guard let second = try? await bootstrap.bind(host: "::1", port: port).get() else { continue }
            channels.append(second)
            ports.append(port)
        }
        return LoopbackListeners(connections: connections, channels: channels, ports: ports)
    }

    /// Connects to each listener once, and returns how many connections they have had. The listeners accept in order, so it is more than
    /// `channels` where there were others before.
    func connectionsAfterOneToEach() async throws -> (counted: Int, made: Int) {
        for channel in channels {
            guard let address = channel.localAddress else { continue }
            let client = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton).connect(to: address)
                .get()
            try await client.closeFuture.get()
        }
        await connections.reach(channels.count)
        return (connections.all.count, channels.count)
    }

    func stop() async throws { for channel in channels { try await channel.close() } }
}

/// A receiver of webhooks on loopback, and a transport that may call it as `receiver.test`.
struct ReceiverBench {
    static let name = "receiver.test"

    let server: RawServer
    let resolver: ScriptedResolver
    let time: ManualTime
    let transport: WebhookTransport
    /// The names in the handshakes; empty where there was none.
    let serverNames: Events<String>
    private let scheme: String

    /// Without a certificate, it is a receiver without TLS.
    ///
    /// - Parameters:
    ///   - certificate: What it is for, such as `DNS:receiver.test`.
    ///   - isTrusted: Whether the transport trusts the authority of the certificate.
    static func start(
        certificate: String? = nil,
        isTrusted: Bool = true,
        deadlines: ManualTime.Waits = .endWhenAdvanced,
        _ script: @escaping RawServer.Script
    ) async throws -> ReceiverBench {
        var settings = WebhookTransportSettings()
        settings.allowedHosts = Set([name, "127.0.0.1", "::1"].compactMap { WebhookHost($0) })
        settings.allowsHTTP = true
        let serverNames = Events<String>()
        var prepare: @Sendable (any Channel) throws -> Void = { _ in }
        if let certificate {
            let files = try CertificateFiles()
            let (chain, key) = try files.issue(for: certificate)
            let context = try NIOSSLContext(
                configuration: .makeServerConfiguration(
                    certificateChain: NIOSSLCertificate.fromPEMBytes(Array(chain.utf8)).map { .certificate($0) },
                    privateKey: .privateKey(NIOSSLPrivateKey(bytes: Array(key.utf8), format: .pem))
                )
            )
            if isTrusted { settings.authorities = TrustedAuthorities(pemFile: files.authority) }
            prepare = { try serveTLS($0, context, serverNames) }
        }
        let server = try await RawServer.start(prepare: prepare, script)
        let (resolver, time) = (ScriptedResolver([["127.0.0.1"]]), ManualTime(deadlines: deadlines))
        return ReceiverBench(
            server: server,
            resolver: resolver,
            time: time,
            transport: try WebhookTransport(settings: settings, resolver: resolver, time: time),
            serverNames: serverNames,
            scheme: certificate == nil ? "http" : "https"
        )
    }

    func url(_ path: String = "/in", host: String = ReceiverBench.name) -> String {
        "\(scheme)://\(host):\(server.port)\(path)"
    }

    func request(_ url: String? = nil, fields: [(name: String, value: String)] = [("webhook-id", "m")])
        -> WebhookRequest
    {
        WebhookRequest(url: url ?? self.url(), fields: fields, body: Array("{}".utf8))
    }

    /// The answer, or why there is none.
    func outcome(_ request: WebhookRequest? = nil) async -> Result<WebhookAnswer, WebhookSendFailure> {
        do throws(WebhookSendFailure) {
            return .success(try await transport.send(request ?? self.request()))
        } catch {
            return .failure(error)
        }
    }

    private static func serveTLS(_ channel: any Channel, _ context: NIOSSLContext, _ names: Events<String>) throws {
        let reader = ByteToMessageHandler(
            SNIHandler { result in
                if case .hostname(let name) = result { names.add(name) } else { names.add("") }
                return channel.eventLoop.makeSucceededVoidFuture()
            }
        )
        try channel.pipeline.syncOperations.addHandlers([reader, NIOSSLServerHandler(context: context)])
    }
}
