import Exports
import Foundation
import NIOCore
import NIOHTTP1
import NIOPosix
import Synchronization

/// A server on loopback that answers what a test tells it to, and remembers what it was asked.
final class ScriptedUpstream: Sendable {
    struct Request: Sendable {
        var method: String
        /// Path and query, byte for byte.
        var target: String
        var headers: HTTPHeaders
        var body: JSONValue?

        func header(_ name: String) -> String? { headers.first(name: name) }
        func has(_ name: String) -> Bool { headers.contains(name: name) }

        var path: String { String(target.prefix { $0 != "?" }) }
    }

    struct Answer: Sendable {
        var status = 200
        var headers: [(String, String)] = []
        var body: [UInt8] = []
        /// Close the connection after the body, whatever length was promised.
        var breaksOff = false

        static func json(_ value: JSONValue, status: Int = 200, headers: [(String, String)] = []) -> Answer {
            Answer(
                status: status,
                headers: [("Content-Type", "application/json"), ("request-id", "graph-request-1")] + headers,
                body: Array(value.encoded())
            )
        }

        static func empty(_ status: Int, headers: [(String, String)] = []) -> Answer {
            Answer(status: status, headers: headers)
        }
    }

    private let channel: any Channel
    private let state: Mutex<State>

    private struct State {
        var requests: [Request] = []
        var script: @Sendable (Request) -> Answer = { _ in .empty(599) }
    }

    static func start() async throws -> ScriptedUpstream {
        let relay = Relay()
        let channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.configureHTTPServerPipeline()
                    try channel.pipeline.syncOperations.addHandler(Handler(relay: relay))
                }
            }
            .bind(host: "127.0.0.1", port: 0)
            .get()
        let upstream = ScriptedUpstream(channel: channel)
        relay.target.withLock { $0 = upstream }
        return upstream
    }

    private init(channel: any Channel) {
        self.channel = channel
        state = Mutex(State())
    }

    /// `http://127.0.0.1:port`
    var origin: String { "http://127.0.0.1:\(channel.localAddress?.port ?? 0)" }

    var requests: [Request] { state.withLock { $0.requests } }

    func script(_ script: @escaping @Sendable (Request) -> Answer) { state.withLock { $0.script = script } }

    func stop() async throws { try await channel.close() }

    fileprivate func answer(_ request: Request) -> Answer {
        let script = state.withLock { state in
            state.requests.append(request)
            return state.script
        }
        return script(request)
    }

    private final class Relay: Sendable {
        let target = Mutex<ScriptedUpstream?>(nil)
    }

    private final class Handler: ChannelInboundHandler {
        typealias InboundIn = HTTPServerRequestPart
        typealias OutboundOut = HTTPServerResponsePart

        private let relay: Relay
        private var head: HTTPRequestHead?
        private var body = ByteBuffer()

        init(relay: Relay) {
            self.relay = relay
        }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            switch unwrapInboundIn(data) {
            case .head(let head):
                self.head = head
                body.clear()
            case .body(var chunk):
                body.writeBuffer(&chunk)
            case .end:
                guard let head, let upstream = relay.target.withLock({ $0 }) else { return context.close(promise: nil) }
                let request = Request(
                    method: head.method.rawValue,
                    target: head.uri,
                    headers: head.headers,
                    body: try? JSONValue(parsing: Data(body.readableBytesView))
                )
                send(upstream.answer(request), context)
            }
        }

        private func send(_ answer: Answer, _ context: ChannelHandlerContext) {
            var headers = HTTPHeaders(answer.headers)
            if !headers.contains(name: "content-length"), !headers.contains(name: "transfer-encoding") {
                headers.add(name: "content-length", value: String(answer.body.count))
            }
            let head = HTTPResponseHead(version: .http1_1, status: .init(statusCode: answer.status), headers: headers)
            context.write(wrapOutboundOut(.head(head)), promise: nil)
            context.write(wrapOutboundOut(.body(.byteBuffer(ByteBuffer(bytes: answer.body)))), promise: nil)
            if answer.breaksOff {
                context.flush()
                context.close(promise: nil)
            } else {
                context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
            }
        }
    }
}
