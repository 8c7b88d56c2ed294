import NIOCore
import NIOPosix
import TestSupport

/// An HTTP proxy on loopback that opens tunnels. It resolves no names: every tunnel leads to one port of this machine.
final class ConnectProxy: Sendable {
    /// One request for a tunnel.
    struct Call: Sendable {
        /// The method and the target, such as `CONNECT upstream.test:443`.
        var request: String
        /// The value of `Proxy-Authorization`.
        var authorization: String?
        /// Where it came from.
        var peer: String
    }

    let port: Int
    let calls: Events<Call>
    private let channel: any Channel

    private init(port: Int, calls: Events<Call>, channel: any Channel) {
        (self.port, self.calls, self.channel) = (port, calls, channel)
    }

    /// Starts a proxy on a port of its own. Whoever does not send `authorization` gets 407.
    static func start(to target: Int, authorization: String? = nil) async throws -> ConnectProxy {
        let calls = Events<Call>()
        let channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(Tunnel(to: target, authorization, calls))
                }
            }
            .bind(host: "127.0.0.1", port: 0)
            .get()
        return ConnectProxy(port: channel.localAddress?.port ?? 0, calls: calls, channel: channel)
    }

    /// Takes no further connections.
    func stop() async throws {
        do { try await channel.close() } catch ChannelError.alreadyClosed {}
    }

    /// The end of a tunnel at which the client is.
    private final class Tunnel: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer

        private let target: Int
        private let authorization: String?
        private let calls: Events<Call>
        private var head = ""
        private var upstream: (any Channel)?

        init(to target: Int, _ authorization: String?, _ calls: Events<Call>) {
            (self.target, self.authorization, self.calls) = (target, authorization, calls)
        }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            let bytes = unwrapInboundIn(data)
            if let upstream { return upstream.writeAndFlush(bytes, promise: nil) }
            head += String(buffer: bytes)
            guard head.hasSuffix("\r\n\r\n") else { return }
            let lines = head.split(separator: "\r\n").map(String.init)
            let field = "proxy-authorization: "
            let shown = lines.first { $0.lowercased().hasPrefix(field) }.map { String($0.dropFirst(field.count)) }
            calls.add(
                Call(
                    request: lines[0].replacing(" HTTP/1.1", with: ""),
                    authorization: shown,
                    peer: context.remoteAddress?.ipAddress ?? ""
                )
            )
            guard authorization == nil || authorization == shown else {
                answer("HTTP/1.1 407 -\r\nProxy-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n", context)
                return context.close(promise: nil)
            }
            open(context)
        }

        private func open(_ context: ChannelHandlerContext) {
            let client = context.channel
            ClientBootstrap(group: context.eventLoop).connect(host: "127.0.0.1", port: target).assumeIsolated()
                .whenComplete { result in
                    // The upstream says nothing before it is asked, so that its end may be completed now.
                    guard case .success(let channel) = result,
                        (try? channel.pipeline.syncOperations.addHandler(FarEnd(client))) != nil
                    else {
                        self.answer("HTTP/1.1 502 -\r\nContent-Length: 0\r\n\r\n", context)
                        return context.close(promise: nil)
                    }
                    self.upstream = channel
                    self.answer("HTTP/1.1 200 Connection established\r\n\r\n", context)
                }
        }

        private func answer(_ text: String, _ context: ChannelHandlerContext) {
            context.channel.writeAndFlush(ByteBuffer(string: text), promise: nil)
        }

        func channelInactive(context: ChannelHandlerContext) {
            upstream?.close(promise: nil)
            context.fireChannelInactive()
        }

        func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
    }

    /// The end at which the upstream is.
    private final class FarEnd: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer

        private let client: any Channel

        init(_ client: any Channel) { self.client = client }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            client.writeAndFlush(unwrapInboundIn(data), promise: nil)
        }

        func channelInactive(context: ChannelHandlerContext) {
            client.close(promise: nil)
            context.fireChannelInactive()
        }

        func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
    }
}
