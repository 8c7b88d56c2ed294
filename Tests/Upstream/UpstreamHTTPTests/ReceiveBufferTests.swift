import NIOCore
import NIOPosix
import ScriptedHost
import Synchronization
import Testing

@testable import UpstreamHTTP

@Suite("Receive buffers")
struct ReceiveBufferTests {
    private final class Clock: Sendable {
        private let nanoseconds = Mutex<UInt64>(1_000_000_000)
        var now: NIODeadline { .uptimeNanoseconds(nanoseconds.withLock { $0 }) }
        func advance(_ amount: TimeAmount) { nanoseconds.withLock { $0 += UInt64(amount.nanoseconds) } }
    }

    /// An allocator after full reads at these distances.
    private func grown(
        _ budget: ReceiveBudget = ReceiveBudget(),
        fullReads: Int,
        apart: TimeAmount = .microseconds(200),
        clock: Clock = Clock()
    ) -> SharedReceiveAllocator {
        var allocator = SharedReceiveAllocator(budget: budget, now: { clock.now })
        for _ in 0..<fullReads {
            clock.advance(apart)
            _ = allocator.record(actualReadBytes: allocator.size)
        }
        return allocator
    }

    @Test("reads that fill their buffer, one after the other, double it up to the share")
    func grows() {
        let clock = Clock()
        var allocator = SharedReceiveAllocator(budget: ReceiveBudget(), now: { clock.now })
        var sizes: [Int] = []
        for _ in 0..<28 {
            sizes.append(allocator.buffer(allocator: ByteBufferAllocator()).capacity >> 10)
            clock.advance(.microseconds(200))
            let mayGrow = allocator.record(actualReadBytes: allocator.size)
            #expect(mayGrow, "NIO must keep no buffer")
        }
        // The first read has none before it.
        let fours = [16, 32, 64, 128, 256].flatMap { Array(repeating: $0, count: 4) }
        #expect(sizes == Array(repeating: 8, count: 5) + fours + Array(repeating: 512, count: 3))
    }

    @Test("a reader that is fast only at first does not get far, and a slow one gets the smallest")
    func slowReaders() {
        #expect(grown(fullReads: 8).size == 16 << 10)
        #expect(grown(fullReads: 100, apart: .milliseconds(250)).size == ReceiveBudget.smallest)
        let clock = Clock()
        var slowing = grown(fullReads: 100, clock: clock)
        #expect(slowing.size == ReceiveBudget.largest)
        for _ in 0..<6 {
            clock.advance(.milliseconds(250))
            _ = slowing.record(actualReadBytes: slowing.size)
        }
        #expect(slowing.size == ReceiveBudget.smallest)
    }

    @Test("a reader in between keeps what it has")
    func steady() {
        let clock = Clock()
        var allocator = grown(fullReads: 10, clock: clock)
        #expect(allocator.size == 32 << 10)
        for _ in 0..<50 {
            clock.advance(.milliseconds(10))
            _ = allocator.record(actualReadBytes: allocator.size)
        }
        #expect(allocator.size == 32 << 10)
    }

    @Test("a connection's own limit holds too")
    func limited() {
        var allocator = SharedReceiveAllocator(budget: ReceiveBudget(), largest: ReceiveBudget.largestEncrypted)
        for _ in 0..<100 { _ = allocator.record(actualReadBytes: allocator.size) }
        #expect(allocator.size == ReceiveBudget.largestEncrypted)
    }

    @Test("two small reads in a row halve it, one does not")
    func shrinks() {
        var allocator = grown(fullReads: 100)
        _ = allocator.record(actualReadBytes: 1000)
        #expect(allocator.size == 512 << 10)
        _ = allocator.record(actualReadBytes: 400 << 10)
        _ = allocator.record(actualReadBytes: 1000)
        #expect(allocator.size == 512 << 10)
        _ = allocator.record(actualReadBytes: 1000)
        #expect(allocator.size == 256 << 10)
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
            try await channel.eventLoop.submit { try budget.admit(channel) }.get()
            channels.append(channel)
        }
        #expect(try await channels[0].getOption(.maxMessagesPerRead).get() == 1)
        #expect(budget.share == 128 << 10)
        #expect(grown(budget, fullReads: 100).size == 128 << 10)

        for channel in channels.dropFirst() {
            channel.close(promise: nil)
            try await channel.closeFuture.get()
        }
        #expect(budget.share == 512 << 10)
        try await channels[0].close()
        try await server.stop()
    }

    @Test("a share is never less than what is worth a call")
    func smallestShare() async throws {
        let budget = ReceiveBudget()
        let server = try await RawServer.start { _, _ in [] }
        let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .connect(host: "127.0.0.1", port: server.port).get()
        for _ in 0..<2000 { try await channel.eventLoop.submit { try budget.admit(channel) }.get() }
        #expect(budget.share == ReceiveBudget.smallest)
        channel.close(promise: nil)
        try await channel.closeFuture.get()
        #expect(budget.share == ReceiveBudget.largest)
        try await server.stop()
    }
}
