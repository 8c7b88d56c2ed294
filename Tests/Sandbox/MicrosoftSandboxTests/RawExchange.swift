import NIOCore
import NIOPosix
import Testing

/// One request on a bare connection, and everything that comes back until the server closes it.
struct RawExchange {
    var head: String
    var body: ByteBuffer
    /// Whether the server ended the connection by a reset.
    var wasReset = false

    /// Two requests, one after the other's answer; what came until the server ended the connection.
    static func twice(_ url: String, token: String, _ base: String) async throws -> RawExchange {
        let channel = try await connection(base)
        var received = ByteBuffer()
        var wasReset = false
        try await channel.executeThenClose { inbound, outbound in
            try await outbound.write(request(url, token: token, base))
            do {
                for try await chunk in inbound {
                    if received.readableBytes == 0 { try await outbound.write(request(url, token: token, base)) }
                    received.writeImmutableBuffer(chunk)
                }
            } catch let error as IOError where error.errnoCode == ECONNRESET {
                wasReset = true
            }
        }
        var exchange = try RawExchange(received)
        exchange.wasReset = wasReset
        return exchange
    }

    static func get(_ url: String, token: String, _ base: String) async throws -> RawExchange {
        let channel = try await connection(base)
        var received = ByteBuffer()
        try await channel.executeThenClose { inbound, outbound in
            try await outbound.write(request(url, token: token, base))
            for try await chunk in inbound { received.writeImmutableBuffer(chunk) }
        }
        return try RawExchange(received)
    }

    private static func connection(_ base: String) async throws -> NIOAsyncChannel<ByteBuffer, ByteBuffer> {
        let port = try #require(base.split(separator: ":").last.flatMap { Int($0) })
        return try await ClientBootstrap(group: .singletonMultiThreadedEventLoopGroup)
            .connect(host: "127.0.0.1", port: port) { channel in
                channel.eventLoop.makeCompletedFuture {
                    try NIOAsyncChannel<ByteBuffer, ByteBuffer>(wrappingChannelSynchronously: channel)
                }
            }
    }

    private static func request(_ url: String, token: String, _ base: String) -> ByteBuffer {
        ByteBuffer(
            string: "GET \(url.dropFirst(base.count)) HTTP/1.1\r\nHost: \(base.dropFirst("http://".count))\r\n"
                + "Authorization: Bearer \(token)\r\n\r\n"
        )
    }

    private init(_ received: ByteBuffer) throws {
        var received = received
        let end = try #require(received.readableBytesView.firstRange(of: Array("\r\n\r\n".utf8)))
        head = received.readString(length: end.upperBound) ?? ""
        body = received.slice()
    }
}
