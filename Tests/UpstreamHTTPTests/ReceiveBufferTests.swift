import NIOCore
import NIOPosix
import Testing

@testable import UpstreamHTTP

@Suite("Receive buffers")
struct ReceiveBufferTests {
    @Test("reads that fill their buffer double it, up to the share")
    func grows() {
        var allocator = SharedReceiveAllocator(budget: ReceiveBudget())
        var sizes: [Int] = []
        for _ in 0..<6 {
            sizes.append(allocator.buffer(allocator: ByteBufferAllocator()).capacity)
            let mayGrow = allocator.record(actualReadBytes: allocator.size)
            #expect(mayGrow, "NIO must keep no buffer")
        }
        #expect(sizes == [16, 32, 64, 128, 256, 256].map { $0 << 10 })
    }

    @Test("two small reads in a row halve it, one does not")
    func shrinks() {
        var allocator = SharedReceiveAllocator(budget: ReceiveBudget())
        for _ in 0..<6 { _ = allocator.record(actualReadBytes: allocator.size) }
        _ = allocator.record(actualReadBytes: 1000)
        #expect(allocator.size == 256 << 10)
        _ = allocator.record(actualReadBytes: 200 << 10)
        _ = allocator.record(actualReadBytes: 1000)
        #expect(allocator.size == 256 << 10)
        _ = allocator.record(actualReadBytes: 1000)
        #expect(allocator.size == 128 << 10)
        for _ in 0..<20 { _ = allocator.record(actualReadBytes: 1) }
        #expect(allocator.size == ReceiveBudget.smallest)
    }

    @Test("connections share the budget while they are open")
    func shares() async throws {
        let budget = ReceiveBudget()
        let server = try await RawServer.start { _, _ in [] }
        let bootstrap = ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
        var channels: [any Channel] = []
        for _ in 0..<64 {
            let channel = try await bootstrap.connect(host: "127.0.0.1", port: server.port).get()
            try await channel.eventLoop.flatSubmit { budget.admit(channel) }.get()
            channels.append(channel)
        }
        #expect(try await channels[0].getOption(.maxMessagesPerRead).get() == 1)
        #expect(budget.share == 128 << 10)
        var allocator = SharedReceiveAllocator(budget: budget)
        for _ in 0..<6 { _ = allocator.record(actualReadBytes: allocator.size) }
        #expect(allocator.size == 128 << 10)

        for channel in channels.dropFirst() {
            channel.close(promise: nil)
            try await channel.closeFuture.get()
        }
        #expect(budget.share == 256 << 10)
        try await channels[0].close()
        try await server.stop()
    }

    @Test("a share is never less than what is worth a call")
    func floor() async throws {
        let budget = ReceiveBudget()
        let server = try await RawServer.start { _, _ in [] }
        let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .connect(host: "127.0.0.1", port: server.port).get()
        for _ in 0..<2000 { try await channel.eventLoop.flatSubmit { budget.admit(channel) }.get() }
        #expect(budget.share == ReceiveBudget.smallest)
        channel.close(promise: nil)
        try await channel.closeFuture.get()
        #expect(budget.share == ReceiveBudget.largest)
        try await server.stop()
    }
}
