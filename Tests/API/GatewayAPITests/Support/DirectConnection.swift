import Exports
import HTTPTypes
import Logging
import NIOCore
import NIOEmbedded
import NIOHTTP1
import NIOHTTPTypes
import NIOHTTPTypesHTTP1
import Synchronization
import Testing

@testable import GatewayAPI

/// A connection with all handlers but Hummingbird's: what is passed on can be read, what is answered too, both as text.
struct DirectConnection {
    let gateway: TestGateway
    let channel = EmbeddedChannel()
    let idle: IdleConnectionHandler
    let export: Export
    /// Where heads are reserved, also those of other connections.
    let heads: UnfinishedHeads
    let table: ConnectionTable
    private let last = EventCounter()

    /// - Parameter memory: Bytes of the budget.
    init(
        _ status: ExportStatus = .succeeded,
        files: Int = 1,
        inMemory: Bool = true,
        memory: Int = 1 << 30,
        _ configure: (inout APISettings) -> Void = { _ in }
    ) throws {
        gateway = TestGateway(memory: memory, configure)
        gateway.service.state.withLock { state in
            state.keepsSnapshots = inMemory
            state.holds = true
        }
        export = gateway.service.put(status) { export in
            export.files = (0..<files).map { ExportFile(id: "\($0)", name: "a.csv") }
        }
        let direct = try #require(
            gateway.api.responder.direct(Logger(label: "tests") { _ in SwiftLogNoOpLogHandler() })
        )
        table = gateway.api.responder.connections
        let table = table
        let slow = SlowReaderHandler(pace: ReaderPace(rate: 1, window: .seconds(10)), onCut: {})
        let idle = IdleConnectionHandler(timeout: .seconds(75))
        self.idle = idle
        let pipeline = channel.pipeline.syncOperations
        try pipeline.addHandler(HTTPResponseEncoder())
        try pipeline.addHandler(ByteToMessageHandler(HTTPRequestDecoder()))
        try pipeline.addHandler(HTTP1ToHTTPServerCodec(secure: false))
        heads = UnfinishedHeads(memory: gateway.memory)
        let connection = ConnectionHandler(
            limits: gateway.api.responder.limits,
            onUnreadable: { _ in },
            onHandshakeFailure: {},
            bytes: RequestBytesHandler(idle: idle, memory: heads, table: table),
            direct: { DirectAnswerHandler(answers: direct, connection: $0, slow: slow, idle: idle, table: table) }
        )
        try pipeline.addHandlers([slow, connection, RequestCountHandler(table: table), idle, last])
        try channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait()
    }

    /// What Hummingbird heard of.
    var events: [Any] { last.events }

    func send(_ text: String) throws { try channel.writeInbound(ByteBuffer(string: text)) }

    func ask(_ method: String = "GET", _ path: String? = nil, _ lines: [String] = [], body: String = "") throws {
        try send(Self.text(method, path ?? "/exports/\(export.id)", lines, body))
    }

    static func text(_ method: String, _ path: String, _ lines: [String] = [], _ body: String = "") -> String {
        "\(method) \(path) HTTP/1.1\r\nhost: x\r\n\(lines.map { $0 + "\r\n" }.joined())\r\n\(body)"
    }

    /// What Hummingbird got.
    func passed() throws -> [HTTPRequestPart] {
        var parts: [HTTPRequestPart] = []
        while let part = try channel.readInbound(as: HTTPRequestPart.self) { parts.append(part) }
        return parts
    }

    func sent() throws -> String {
        var text = ""
        while let part = try channel.readOutbound(as: IOData.self) {
            guard case .byteBuffer(let bytes) = part else { continue }
            text += String(buffer: bytes)
        }
        return text
    }

    /// The first lines of the answers that were sent.
    func statuses() throws -> [Int] { try sent().matches(of: /HTTP\/1.1 ([0-9]+)/).compactMap { Int($0.1) } }

    func answerFromBehind() throws {
        let head = HTTPResponse(status: .accepted, headerFields: [.contentLength: "0"])
        try channel.writeOutbound(HTTPResponsePart.head(head))
        try channel.writeOutbound(HTTPResponsePart.end(nil))
    }

    /// What the engine tells is told on the event loop.
    func run() { channel.embeddedEventLoop.run() }
}

private final class EventCounter: ChannelInboundHandler {
    typealias InboundIn = HTTPRequestPart

    private(set) var events: [Any] = []

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) { events.append(event) }
}
