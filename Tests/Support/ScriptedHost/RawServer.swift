import NIOCore
import NIOPosix
public import TestSupport

/// A loopback server that answers by a script, byte by byte: what no well-behaved HTTP server would send included.
///
/// `ScriptedUpstream` is the same server for tests that think in whole answers.
public final class RawServer: Sendable {
    /// One request as it came.
    public struct Call: Sendable {
        public var method: String
        /// Path and query, byte for byte.
        public var target: String
        /// Everything before the body.
        public var head: String
        /// By their names in lower case; the last one of a name.
        public var headers: [String: String]
        public var body: String
        /// Does these steps on the call's connection, for a script that leaves the answer to the test.
        public let send: @Sendable ([Step]) -> Void
    }

    /// What the server does next on a connection.
    public enum Step: Sendable {
        case text(String)
        case bytes([UInt8])
        /// This many bytes, as fast as the socket takes them; `flooded` counts them.
        case flood(Int)
        /// One byte in every 10 ms, without end.
        case drip
        case close
    }

    /// What to do for the call with this number, counted from 0 over all connections.
    public typealias Script = @Sendable (_ call: Call, _ index: Int) -> [Step]

    public let port: Int
    public let log: Log
    private let channel: any Channel

    /// What the server saw and did.
    public struct Log: Sendable {
        public let calls = Events<Call>()
        /// Of each connection that has ended, which calls came on it.
        public let closings = Events<[Int]>()
        /// The sizes of the pieces of a flood that the socket took.
        public let flooded = Events<Int>()
    }

    public var calls: [Call] { log.calls.all }

    private init(port: Int, log: Log, channel: any Channel) {
        self.port = port
        self.log = log
        self.channel = channel
    }

    /// Starts a server on a port of its own.
    ///
    /// - Parameters:
    ///   - host: The address to listen on.
    ///   - prepare: Adds handlers to each connection before the script's, such as those of TLS.
    public static func start(
        on host: String = "127.0.0.1",
        prepare: @escaping @Sendable (any Channel) throws -> Void = { _ in },
        _ script: @escaping Script
    ) async throws -> RawServer {
        let log = Log()
        let channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try prepare(channel)
                    try channel.pipeline.syncOperations.addHandler(Connection(script: script, log: log))
                }
            }
            .bind(host: host, port: 0)
            .get()
        return RawServer(port: channel.localAddress?.port ?? 0, log: log, channel: channel)
    }

    /// Takes no further connections.
    public func stop() async throws {
        do { try await channel.close() } catch ChannelError.alreadyClosed {}
    }

    /// A whole answer with `Content-Length`.
    public static func answer(_ status: Int, _ fields: [String] = [], body: String = "") -> Step {
        let lines = ["HTTP/1.1 \(status) -", "Content-Length: \(body.utf8.count)"] + fields
        return .text((lines + ["", body]).joined(separator: "\r\n"))
    }

    /// The head of an answer, its framing left to `fields`.
    public static func head(_ status: Int, _ fields: [String]) -> Step {
        .text((["HTTP/1.1 \(status) -"] + fields + ["", ""]).joined(separator: "\r\n"))
    }

    private final class Connection: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        typealias OutboundOut = ByteBuffer

        private let script: Script
        private let log: Log
        private var received = ""
        private var served: [Int] = []
        private var toFlood = 0
        private let block = ByteBuffer(repeating: 0x61, count: 65_536)

        init(script: @escaping Script, log: Log) {
            self.script = script
            self.log = log
        }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            received += String(buffer: unwrapInboundIn(data))
            while let call = nextCall(context) {
                let index = log.calls.add(call)
                served.append(index)
                for step in script(call, index) { run(step, context) }
            }
        }

        func channelWritabilityChanged(context: ChannelHandlerContext) {
            flood(context)
            context.fireChannelWritabilityChanged()
        }

        func channelInactive(context: ChannelHandlerContext) {
            log.closings.add(served)
            context.fireChannelInactive()
        }

        func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

        private func nextCall(_ context: ChannelHandlerContext) -> Call? {
            guard let end = received.firstRange(of: "\r\n\r\n") else { return nil }
            let head = String(received[..<end.lowerBound])
            let lines = head.split(separator: "\r\n")
            var headers: [String: String] = [:]
            for line in lines.dropFirst() {
                guard let colon = line.firstIndex(of: ":") else { continue }
                headers[line[..<colon].lowercased()] = String(line[line.index(after: colon)...].drop { $0 == " " })
            }
            let rest = received[end.upperBound...].utf8
            let length = headers["content-length"].flatMap { Int($0) } ?? 0
            guard rest.count >= length else { return nil }
            let body = String(decoding: rest.prefix(length), as: UTF8.self)
            received = String(decoding: rest.dropFirst(length), as: UTF8.self)
            let words = lines[0].split(separator: " ")
            let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
            let loop = context.eventLoop
            return Call(
                method: String(words[0]),
                target: String(words[1]),
                head: head,
                headers: headers,
                body: body
            ) { steps in
                loop.execute {
                    let (connection, context) = bound.value
                    for step in steps where context.channel.isActive { connection.run(step, context) }
                }
            }
        }

        private func run(_ step: Step, _ context: ChannelHandlerContext) {
            switch step {
            case .text(let text): context.writeAndFlush(wrapOutboundOut(ByteBuffer(string: text)), promise: nil)
            case .bytes(let bytes): context.writeAndFlush(wrapOutboundOut(ByteBuffer(bytes: bytes)), promise: nil)
            case .flood(let count):
                toFlood = count
                flood(context)
            case .drip: drip(context)
            case .close: context.close(promise: nil)
            }
        }

        private func flood(_ context: ChannelHandlerContext) {
            while toFlood > 0, context.channel.isActive, context.channel.isWritable {
                let size = min(toFlood, block.readableBytes)
                toFlood -= size
                let piece = block.getSlice(at: 0, length: size) ?? block
                let log = log
                context.writeAndFlush(wrapOutboundOut(piece))
                    .whenSuccess { log.flooded.add(size) }
            }
        }

        private func drip(_ context: ChannelHandlerContext) {
            guard context.channel.isActive else { return }
            context.writeAndFlush(wrapOutboundOut(ByteBuffer(string: "x")), promise: nil)
            let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
            context.eventLoop.scheduleTask(in: .milliseconds(10)) {
                let (connection, context) = bound.value
                connection.drip(context)
            }
        }
    }
}
