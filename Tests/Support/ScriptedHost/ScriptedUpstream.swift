import Exports
import Foundation
import JSON
import NIOCore
import NIOHTTP1
import NIOPosix
import Synchronization

/// What a server answers to each request.
public struct Script: Sendable {
    let answer: @Sendable (ScriptedUpstream.Request) -> ScriptedUpstream.Answer

    /// Takes what is to be answered; called on an event loop, for one request after the other of a connection.
    public init(_ answer: @escaping @Sendable (ScriptedUpstream.Request) -> ScriptedUpstream.Answer) {
        self.answer = answer
    }
}

/// A server on loopback that answers what a test tells it to, and records what it was asked.
public final class ScriptedUpstream: Sendable {
    /// A request as it came.
    public struct Request: Sendable {
        public var method: String
        /// Path and query, byte for byte.
        public var target: String
        public var body: JSONValue?
        let fields: HTTPHeaders

        /// The first field of this name.
        public func header(_ name: String) -> String? { fields.first(name: name) }

        /// Whether there is a field of this name.
        public func has(_ name: String) -> Bool { fields.contains(name: name) }

        /// The target without its query.
        public var path: String { String(target.prefix { $0 != "?" }) }
    }

    /// What to answer.
    public struct Answer: Sendable {
        var status: Int
        var headers: [(String, String)]
        var body: [UInt8]
        /// Whether the connection closes after the body, whatever length was promised.
        var breaksOff = false
        var isSilent = false

        /// Bytes, with what header fields they need; `Content-Length` is added where none is among them.
        public init(
            status: Int = 200,
            headers: [(String, String)] = [],
            body: [UInt8] = [],
            breaksOff: Bool = false
        ) {
            self.status = status
            self.headers = headers
            self.body = body
            self.breaksOff = breaksOff
        }

        /// A text, with what header fields it needs besides its length.
        public static func text(_ text: String, status: Int = 200, headers: [(String, String)] = []) -> Answer {
            Answer(status: status, headers: headers, body: Array(text.utf8))
        }

        /// A JSON value.
        public static func json(_ value: JSONValue, status: Int = 200, headers: [(String, String)] = []) -> Answer {
            Answer(
                status: status,
                headers: [("Content-Type", "application/json")] + headers,
                body: Array(value.encoded())
            )
        }

        /// No body.
        public static func empty(_ status: Int, headers: [(String, String)] = []) -> Answer {
            Answer(status: status, headers: headers)
        }

        /// The connection closes without an answer.
        public static var none: Answer {
            var answer = Answer(status: 0)
            answer.isSilent = true
            return answer
        }
    }

    private let channel: any Channel
    private let book: Book

    /// Starts a server that answers as `script` says, runs `work` with it, and stops it.
    public static func run<Value>(
        _ script: Script = Script { _ in .empty(599) },
        _ work: (ScriptedUpstream) async throws -> Value
    ) async throws -> Value {
        let book = Book(script)
        let channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.configureHTTPServerPipeline()
                    try channel.pipeline.syncOperations.addHandler(Handler(book: book))
                }
            }
            .bind(host: "127.0.0.1", port: 0)
            .get()
        let outcome: Result<Value, any Error>
        do {
            outcome = .success(try await work(ScriptedUpstream(channel: channel, book: book)))
        } catch {
            outcome = .failure(error)
        }
        try await channel.close()
        return try outcome.get()
    }

    private init(channel: any Channel, book: Book) {
        self.channel = channel
        self.book = book
    }

    /// `http://127.0.0.1:port`
    public var origin: String { "http://127.0.0.1:\(channel.localAddress?.port ?? 0)" }

    /// Everything asked so far.
    public var requests: [Request] { book.requests.withLock { $0 } }

    /// Answers as `script` says from now on.
    public func script(_ script: @escaping @Sendable (Request) -> Answer) {
        book.script.withLock { $0 = Script(script) }
    }

    private final class Book: Sendable {
        let requests = Mutex<[Request]>([])
        let script: Mutex<Script>

        init(_ script: Script) {
            self.script = Mutex(script)
        }

        func answer(_ request: Request) -> Answer {
            requests.withLock { $0.append(request) }
            return script.withLock { $0 }.answer(request)
        }
    }

    private final class Handler: ChannelInboundHandler {
        typealias InboundIn = HTTPServerRequestPart
        typealias OutboundOut = HTTPServerResponsePart

        private let book: Book
        private var head: HTTPRequestHead?
        private var body = ByteBuffer()

        init(book: Book) {
            self.book = book
        }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            switch unwrapInboundIn(data) {
            case .head(let head):
                self.head = head
                body.clear()
            case .body(var chunk):
                body.writeBuffer(&chunk)
            case .end:
                guard let head else { return }
                let request = Request(
                    method: head.method.rawValue,
                    target: head.uri,
                    body: try? JSONValue(parsing: Data(body.readableBytesView)),
                    fields: head.headers
                )
                send(book.answer(request), context)
            }
        }

        private func send(_ answer: Answer, _ context: ChannelHandlerContext) {
            guard !answer.isSilent else { return context.close(promise: nil) }
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
