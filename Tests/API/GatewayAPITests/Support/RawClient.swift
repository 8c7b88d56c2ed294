import GatewayAPI
import Logging
import NIOCore
import NIOPosix
import NIOSSL
import ServiceLifecycle
import Testing

/// A client that sends exactly the bytes it is told to, and shows exactly those that come back.
final class RawClient {
    private let outbound: NIOAsyncChannelOutboundWriter<ByteBuffer>
    private var inbound: NIOAsyncChannelInboundStream<ByteBuffer>.AsyncIterator
    private var received = ""
    /// Whether the server has closed the connection.
    private(set) var isEnded = false

    fileprivate init(
        outbound: NIOAsyncChannelOutboundWriter<ByteBuffer>,
        inbound: NIOAsyncChannelInboundStream<ByteBuffer>.AsyncIterator
    ) {
        self.outbound = outbound
        self.inbound = inbound
    }

    /// Sends bytes.
    func send(_ text: String) async throws { try await outbound.write(ByteBuffer(string: text)) }

    /// Ends our half of the connection.
    func finish() { outbound.finish() }

    /// What comes up to and with `marker`; what comes at all, if the connection ends before.
    func read(through marker: String) async throws -> String {
        while true {
            if let range = received.firstRange(of: marker) {
                let head = String(received[..<range.upperBound])
                received = String(received[range.upperBound...])
                return head
            }
            guard try await more() else {
                defer { received = "" }
                return received
            }
        }
    }

    /// Everything that comes until the server closes the connection.
    func readToEnd() async throws -> String {
        while try await more() {}
        defer { received = "" }
        return received
    }

    /// One answer with a `Content-Length`.
    func readAnswer() async throws -> (head: String, body: String) {
        let head = try await read(through: "\r\n\r\n")
        let lines = head.lowercased().split(separator: "\r\n")
        let line = lines.first { $0.hasPrefix("content-length:") }
        let length = line.flatMap { Int($0.dropFirst(15).drop { $0 == " " }) } ?? 0
        while received.utf8.count < length {
            guard try await more() else { break }
        }
        let body = String(decoding: received.utf8.prefix(length), as: UTF8.self)
        received = String(decoding: received.utf8.dropFirst(length), as: UTF8.self)
        return (head, body)
    }

    private func more() async throws -> Bool {
        do {
            guard let piece = try await inbound.next() else {
                isEnded = true
                return false
            }
            received += String(buffer: piece)
            return true
        } catch is IOError {
            // Reset: the server closed while we were still sending.
            isEnded = true
            return false
        }
    }
}

/// A running server.
struct LiveServer: Sendable {
    let port: Int
    let group: ServiceGroup

    /// Opens a connection for as long as `use` takes; over TLS, with a context for it.
    func connect<Value: Sendable>(
        tls: NIOSSLContext? = nil,
        _ use: (RawClient) async throws -> Value
    ) async throws -> Value {
        let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .channelOption(.allowRemoteHalfClosure, value: true)
            .connect(host: "127.0.0.1", port: port) { channel in
                channel.eventLoop.makeCompletedFuture {
                    if let tls {
                        let handler = try NIOSSLClientHandler(context: tls, serverHostname: "localhost")
                        try channel.pipeline.syncOperations.addHandler(handler)
                    }
                    return try NIOAsyncChannel<ByteBuffer, ByteBuffer>(
                        wrappingChannelSynchronously: channel,
                        configuration: .init(isOutboundHalfClosureEnabled: true)
                    )
                }
            }
        return try await channel.executeThenClose { inbound, outbound in
            try await use(RawClient(outbound: outbound, inbound: inbound.makeAsyncIterator()))
        }
    }
}

extension TestGateway {
    /// Serves on a free port for as long as `use` takes.
    func live(_ use: @escaping @Sendable (LiveServer) async throws -> Void) async throws {
        let (ports, running) = AsyncStream.makeStream(of: Int.self)
        let group = ServiceGroup(
            services: [api.application { running.yield($0) }],
            logger: Logger(label: "tests") { _ in SwiftLogNoOpLogHandler() }
        )
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask { try await group.run() }
            for await port in ports.prefix(1) {
                try await use(LiveServer(port: port, group: group))
            }
            await group.triggerGracefulShutdown()
            try await tasks.waitForAll()
        }
    }
}
