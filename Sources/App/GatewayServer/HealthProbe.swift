import Exports
import Foundation
import NIOCore
import NIOPosix
import NIOSSL
import Synchronization

/// Asks a gateway whether it is alive, for platforms that cannot send HTTP requests. `export-gateway probe` runs it.
public struct HealthProbe: Sendable {
    /// The gateway to ask.
    public struct Target: Sendable, Hashable {
        public var host: String
        public var port: Int
        public var path: String
        public var isTLS = false
        /// Whether the certificate must be valid for `host`, by the system's authorities.
        public var verifies = false
        /// Whether the gateway lets nobody in without a client certificate: a refusal because of that counts as an answer.
        public var wantsCertificate = false
    }

    /// Why the gateway does not count as healthy; one line for people.
    public struct Failure: Error, CustomStringConvertible {
        public let description: String
    }

    private let target: Target

    public init(_ target: Target) {
        self.target = target
    }

    /// Returns when the answer is 200. Throws `Failure` when it is another, or none comes within `timeout`.
    public func run(within timeout: Duration) async throws {
        let limit = TimeAmount(timeout)
        let place = "\(target.isTLS ? "https" : "http")://\(target.host):\(target.port)\(target.path)"
        let tls: NIOSSLContext?
        if target.isTLS {
            var configuration = TLSConfiguration.makeClientConfiguration()
            if !target.verifies { configuration.certificateVerification = .none }
            tls = try NIOSSLContext(configuration: configuration)
        } else {
            tls = nil
        }
        let group = MultiThreadedEventLoopGroup.singleton
        let promise = group.next().makePromise(of: Int.self)
        let target = target
        let bootstrap = ClientBootstrap(group: group)
            .connectTimeout(limit)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    if let tls {
                        // TLS's server name must not be an address (RFC 6066, 3).
                        let name = target.verifies && !target.host.isAddress ? target.host : nil
                        try channel.pipeline.syncOperations.addHandler(
                            NIOSSLClientHandler(context: tls, serverHostname: name)
                        )
                    }
                    try channel.pipeline.syncOperations.addHandler(ProbeHandler(target: target, status: promise))
                }
            }
        let channel: any Channel
        do {
            channel = try await bootstrap.connect(host: target.host, port: target.port).get()
        } catch {
            promise.fail(error)
            throw Failure(description: "\(place) cannot be reached")
        }
        let deadline = channel.eventLoop.scheduleTask(in: limit) {
            promise.fail(Failure(description: "\(place) did not answer within \(timeout)"))
        }
        defer {
            deadline.cancel()
            channel.close(promise: nil)
        }
        let status: Int
        do {
            status = try await promise.futureResult.get()
        } catch let failure as Failure {
            throw failure
        } catch {
            throw Failure(description: "\(place) did not answer: \(error)")
        }
        guard status == 200 else { throw Failure(description: "\(place) answered \(status)") }
    }
}

/// Sends the request, and reads the status of the answer.
private final class ProbeHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let target: HealthProbe.Target
    private let status: EventLoopPromise<Int>
    private var line: [UInt8] = []

    init(target: HealthProbe.Target, status: EventLoopPromise<Int>) {
        self.target = target
        self.status = status
    }

    func channelActive(context: ChannelHandlerContext) {
        let host = target.host.contains(":") ? "[\(target.host)]" : target.host
        let request = "GET \(target.path) HTTP/1.1\r\nHost: \(host):\(target.port)\r\nConnection: close\r\n\r\n"
        context.writeAndFlush(wrapOutboundOut(ByteBuffer(string: request)), promise: nil)
        context.fireChannelActive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        // The first line, such as "HTTP/1.1 200 OK".
        line += Array(unwrapInboundIn(data).readableBytesView.prefix(64))
        guard line.count >= 12 else { return }
        let text = String(decoding: line.prefix(12), as: UTF8.self)
        guard text.hasPrefix("HTTP/1.1 "), let code = Int(text.suffix(3)) else {
            return status.fail(HealthProbe.Failure(description: "the answer is not HTTP"))
        }
        status.succeed(code)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        if target.wantsCertificate, error is NIOSSLError || error is BoringSSLError {
            status.succeed(200)
        } else {
            status.fail(error)
        }
        context.close(promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) {
        status.fail(HealthProbe.Failure(description: "the connection was closed"))
    }
}

@available(*, unavailable)
extension ProbeHandler: Sendable {}

extension String {
    fileprivate var isAddress: Bool { (try? SocketAddress(ipAddress: self, port: 0)) != nil }
}

extension HealthProbe.Target {
    /// Where the gateway of a configuration is asked from the same machine: its listener for operations where there is one, else
    /// its own port. An address that stands for all is asked at the loopback. Nothing secret is read, and nothing is sent, so
    /// that the certificate need not be looked at.
    ///
    /// Throws `StartupError` where the file does not say where the gateway listens.
    public init(configuration path: String, path target: String, environment: [String: String]) throws(StartupError) {
        let listening = try GatewayConfiguration.Listening(path: path, environment: environment)
        let address = listening.operations ?? listening.server
        let host = ["0.0.0.0": "127.0.0.1", "::": "::1"][address.host] ?? address.host
        self.init(host: host, port: address.port, path: target)
        isTLS = listening.operations == nil && listening.isTLS
        wantsCertificate = isTLS && listening.wantsCertificate
    }

    /// A URL, such as `https://exports.example.com/livez`; nil for a text that is none. Its certificate has to be good.
    public init?(url: String) {
        guard let parts = URLComponents(string: url), let host = parts.host, !host.isEmpty,
            parts.scheme == "http" || parts.scheme == "https", parts.user == nil, parts.fragment == nil
        else { return nil }
        let isTLS = parts.scheme == "https"
        let path = parts.percentEncodedPath.isEmpty ? "/livez" : parts.percentEncodedPath
        let name = host.hasPrefix("[") ? String(host.dropFirst().dropLast()) : host
        self.init(host: name, port: parts.port ?? (isTLS ? 443 : 80), path: path, isTLS: isTLS, verifies: isTLS)
    }
}
