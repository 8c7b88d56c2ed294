import Foundation
import NIOCore
import NIOPosix
import Synchronization
import TestSupport
import Testing

@testable import GatewayClient

/// Bytes on their way from the event loop to the disk.
@Suite(.timeLimit(.minutes(1))) struct PartWriterTests {
    private static let batch = ByteBuffer(repeating: 7, count: 512 << 10)

    @Test func batchesThatWaitForTheDiskAreLimited() async throws {
        let directory = try TemporaryDirectory()
        let part = try PartFile(path: directory.path + "/file")
        let (disk, loop) = (DiskThreads(count: 1), MultiThreadedEventLoopGroup.singleton.next())
        let reached = Mutex<[Int64]>([])
        let writer = PartWriter(part, disk, on: loop) { count in reached.withLock { $0.append(count) } }
        // The only thread of the disk is busy until it is let go.
        let letGo = DispatchSemaphore(value: 0)
        let busy = disk.begin(on: loop, after: nil) { letGo.wait() }
        #expect(writer.take(Self.batch) == nil)
        let space = try #require(writer.take(Self.batch))
        #expect(reached.withLock { $0 } == [])
        letGo.signal()
        try await busy.get()
        try await space.get()
        #expect(writer.take(ByteBuffer(repeating: 8, count: 3)) == nil)
        let (bytes, written) = writer.end()
        try await written?.get()
        let size = Int64(Self.batch.readableBytes)
        #expect(bytes == 2 * size + 3)
        #expect(reached.withLock { $0 } == (1...2).map { $0 * size } + [bytes])
        try await disk.shutdown()
    }

    @Test func nothingIsWrittenForNothing() async throws {
        let directory = try TemporaryDirectory()
        let disk = DiskThreads(count: 1)
        let writer = PartWriter(
            try PartFile(path: directory.path + "/file"),
            disk,
            on: MultiThreadedEventLoopGroup.singleton.next()
        ) { _ in Issue.record("a batch was written") }
        let (bytes, written) = writer.end()
        #expect(bytes == 0 && written == nil)
        try await disk.shutdown()
    }
}
