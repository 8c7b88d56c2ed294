import Foundation
import NIOCore
import NIOHTTP1
import NIOPosix

/// SwiftNIO's HTTP/1 pipeline with nothing behind it, as the measure of what a status answer costs at least:
///
///     .build/release/bare-nio PORT ANSWER KEY
///
/// Each request with `Authorization: Bearer KEY` gets what stands in the file ANSWER, head and body as the gateway sent them,
/// or 304 where it names the entity tag; each has a request id and a line in the log, with the gateway's members, on standard
/// error. One event loop.
@main struct Main {
    static func main() async throws {
        let arguments = CommandLine.arguments
        guard arguments.count == 4, let port = Int(arguments[1]) else {
            print("usage: bare-nio PORT ANSWER KEY")
            exit(64)
        }
        let answer = try Answer(file: arguments[2], key: arguments[3])
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let log = LineBuffer(on: group.next())
        let server = try await ServerBootstrap(group: group)
            .serverChannelOption(.backlog, value: 1024)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.configureHTTPServerPipeline()
                    try channel.pipeline.syncOperations.addHandler(StatusHandler(answer: answer, log: log))
                }
            }
            .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
            .bind(host: "127.0.0.1", port: port)
            .get()
        try await server.closeFuture.get()
    }
}

/// What is answered.
struct Answer: Sendable {
    let authorization: String
    let fields: HTTPHeaders
    let tag: String
    let body: ByteBuffer

    init(file: String, key: String) throws {
        let text = String(decoding: try Data(contentsOf: URL(fileURLWithPath: file)), as: UTF8.self)
        let parts = text.split(separator: "\r\n\r\n", maxSplits: 1)
        var fields = HTTPHeaders()
        for line in parts[0].split(separator: "\r\n").dropFirst() {
            let field = line.split(separator: ":", maxSplits: 1)
            fields.add(name: String(field[0]), value: field[1].trimmingCharacters(in: .whitespaces))
        }
        fields.remove(name: "X-Request-Id")
        authorization = "Bearer \(key)"
        tag = fields.first(name: "ETag") ?? ""
        body = ByteBuffer(string: String(parts[1]))
        self.fields = fields
    }
}

final class StatusHandler: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    private let answer: Answer
    private let log: LineBuffer
    private var request: HTTPRequestHead?
    private var start = ContinuousClock.now

    init(answer: Answer, log: LineBuffer) {
        self.answer = answer
        self.log = log
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head):
            request = head
            start = .now
        case .body: break
        case .end:
            guard let request else { return }
            respond(to: request, context)
        }
    }

    private func respond(to request: HTTPRequestHead, _ context: ChannelHandlerContext) {
        let id = String(UInt64.random(in: .min ... .max), radix: 16)
        var status = HTTPResponseStatus.ok
        var fields = answer.fields
        if request.headers.first(name: "Authorization") != answer.authorization {
            status = .unauthorized
            fields = ["Content-Length": "0"]
        } else if request.headers.first(name: "If-None-Match") == answer.tag {
            status = .notModified
            fields.remove(name: "Content-Length")
            fields.remove(name: "Content-Type")
        }
        fields.add(name: "X-Request-Id", value: id)
        context.write(wrapOutboundOut(.head(.init(version: .http1_1, status: status, headers: fields))), promise: nil)
        if status == .ok { context.write(wrapOutboundOut(.body(.byteBuffer(answer.body))), promise: nil) }
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
        log.add(
            status: Int(status.code),
            bytes: status == .ok ? answer.body.readableBytes : 0,
            export: request.uri.utf8.dropFirst("/exports/".utf8.count),
            id: id,
            duration: ContinuousClock.now - start
        )
    }
}

/// Log lines, written to standard error 64 KiB at a time, and what there is ten times a second. Used on one event loop only.
final class LineBuffer: @unchecked Sendable {
    private var bytes: [UInt8] = []
    private var second = 0
    private var date = ""

    init(on loop: any EventLoop) {
        bytes.reserveCapacity(1 << 17)
        loop.scheduleRepeatedTask(initialDelay: .milliseconds(100), delay: .milliseconds(100)) { _ in self.write() }
    }

    func add(status: Int, bytes count: Int, export: some Sequence<UInt8>, id: String, duration: Duration) {
        bytes += #"{"bytes":""#.utf8
        bytes += String(count).utf8
        bytes += #"","caller":"caller-0","duration_ms":""#.utf8
        bytes += String(duration.components.attoseconds / 1_000_000_000_000_000).utf8
        bytes += #"","export":""#.utf8
        bytes += export
        bytes += #"","level":"info","logger":"export-gateway","message":"request","method":"GET","request_id":""#.utf8
        bytes += id.utf8
        bytes += #"","route":"/exports/{id}","status":""#.utf8
        bytes += String(status).utf8
        bytes += #"","time":""#.utf8
        appendTime()
        bytes += "\"}\n".utf8
        if bytes.count >= 1 << 16 { write() }
    }

    private func appendTime() {
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        if now.tv_sec != second {
            second = now.tv_sec
            var parts = tm()
            gmtime_r(&now.tv_sec, &parts)
            var text = [CChar](repeating: 0, count: 32)
            let length = strftime(&text, text.count, "%Y-%m-%dT%H:%M:%S", &parts)
            date = String(decoding: text.prefix(length).map(UInt8.init(bitPattern:)), as: UTF8.self)
        }
        bytes += date.utf8
        let milliseconds = String(now.tv_nsec / 1_000_000)
        bytes += ".".utf8
        for _ in milliseconds.utf8.count..<3 { bytes += "0".utf8 }
        bytes += milliseconds.utf8
        bytes += "Z".utf8
    }

    private func write() {
        var sent = 0
        while sent < bytes.count {
            let count = bytes[sent...].withUnsafeBytes { Foundation.write(STDERR_FILENO, $0.baseAddress, $0.count) }
            if count <= 0 { break }
            sent += count
        }
        bytes.removeAll(keepingCapacity: true)
    }
}
