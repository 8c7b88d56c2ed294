import NIOCore
import NIOPosix
import Synchronization
import Testing

@testable import GatewayClient

@Suite struct DiskThreadsTests {
    private struct Full: Error {}

    /// With more threads than one, nothing else keeps the order.
    @Test func oneBeginsWhenTheOneBeforeHasSucceeded() async throws {
        let (disk, loop) = (DiskThreads(count: 4), MultiThreadedEventLoopGroup.singleton.next())
        let done = Mutex<[Int]>([])
        var last: EventLoopFuture<Void>?
        for number in 0..<200 {
            last = disk.begin(on: loop, after: last) { done.withLock { $0.append(number) } }
        }
        try await last?.get()
        #expect(done.withLock { $0 } == Array(0..<200))
        try await disk.shutdown()
    }

    @Test func nothingIsDoneAfterOneThatFailed() async throws {
        let (disk, loop) = (DiskThreads(count: 4), MultiThreadedEventLoopGroup.singleton.next())
        let done = Mutex<[Int]>([])
        let first = disk.begin(on: loop, after: nil) { done.withLock { $0.append(1) } }
        let second = disk.begin(on: loop, after: first) { throw Full() }
        let third = disk.begin(on: loop, after: second) { done.withLock { $0.append(3) } }
        await #expect(throws: Full.self) { try await third.get() }
        #expect(done.withLock { $0 } == [1])
        try await disk.shutdown()
    }
}
