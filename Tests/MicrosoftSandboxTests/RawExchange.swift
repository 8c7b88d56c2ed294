import NIOCore
import NIOPosix
import Testing

/// One request on a bare connection, and everything that comes back until the server closes it.
struct RawExchange {
    var head: String
    var body: ByteBuffer

    static func get(_ url: String, token: String, _ base: String) async throws -> RawExchange {
        let port = try #require(base.split(separator: ":").last.flatMap { Int($0) })
        let channel = try await ClientBootstrap(group: .singletonMultiThreadedEventLoopGroup)
            .connect(host: "127.0.0.1", port: port) { channel in
                channel.eventLoop.makeCompletedFuture {
                    try NIOAsyncChannel<ByteBuffer, ByteBuffer>(wrappingChannelSynchronously: channel)
                }
            }
        let request =
            "GET \(url.dropFirst(base.count)) HTTP/1.1\r\nHost: 127.0.0.1:\(port)\r\n"
            + "Authorization: Bearer \(token)\r\n\r\n"
        var received = ByteBuffer()
        try await channel.executeThenClose { inbound, outbound in
            try await outbound.write(ByteBuffer(string: request))
            for try await chunk in inbound { received.writeImmutableBuffer(chunk) }
        }
        let end = try #require(received.readableBytesView.firstRange(of: Array("\r\n\r\n".utf8)))
        let head = received.readString(length: end.upperBound) ?? ""
        return RawExchange(head: head, body: received.slice())
    }
}
