import NIOCore
import NIOSSL
import Synchronization

/// How much is read from upstreams at once: large pieces while few connections are open, small ones when many are.
///
/// Reading 512 KiB with one call costs half the processor time of reading 64 KiB eight times (fewer acknowledgements and
/// wake-ups), but each download keeps up to four pieces in memory as long as its client is slow.
final class ReceiveBudget: Sendable {
    /// The bytes of all pieces that are being read, together, for up to `total / smallest` connections.
    static let total = 8 << 20
    static let smallest = 8 << 10
    static let largest = 512 << 10
    /// Under TLS: the buffer for the plain bytes is allocated for each read and grows by doubling. Beyond this size, that costs more
    /// than the system calls that a larger piece saves (measured).
    static let largestEncrypted = 256 << 10

    private let connections = Atomic(0)

    /// The largest piece that a connection may read now: a power of two.
    var share: Int {
        let fair = Self.total / max(1, connections.load(ordering: .relaxed))
        var share = Self.largest
        while share > fair, share > Self.smallest { share >>= 1 }
        return share
    }

    /// Counts a connection until it is closed, and sets its allocator. Call on the event loop of `channel`.
    func admit(_ channel: any Channel) throws {
        let options = channel.syncOptions
        // More than one read at a time would need more memory, and is not faster.
        try options?.setOption(.maxMessagesPerRead, value: 1)
        let isEncrypted = (try? channel.pipeline.syncOperations.handler(type: NIOSSLClientHandler.self)) != nil
        let largest = isEncrypted ? Self.largestEncrypted : Self.largest
        try options?.setOption(.recvAllocator, value: SharedReceiveAllocator(budget: self, largest: largest))
        connections.wrappingAdd(1, ordering: .relaxed)
        channel.closeFuture.whenComplete { _ in self.connections.wrappingSubtract(1, ordering: .relaxed) }
    }
}

/// Chooses the size of a connection's read buffer. The size grows while reads fill the buffer and follow each other quickly, up to the
/// share of the budget. It shrinks while reads fill less than half of the buffer, or are far apart.
///
/// A read happens when the client's side wants more. For a fast client, large buffers save system calls. For a slow client they only
/// occupy memory, and hundreds of slow downloads that begin at once would be large before the budget counts them. A slow client
/// looks fast at first, until the buffers on the way to it are full; so the size grows only after several reads.
struct SharedReceiveAllocator: RecvByteBufferAllocator {
    /// This many full reads in a row double the buffer, if each follows the one before within `quickly`.
    static let quickReads = 4
    static let quickly = TimeAmount.milliseconds(5)
    /// A full read that comes later than this after the one before halves the buffer.
    static let slowly = TimeAmount.milliseconds(25)

    let budget: ReceiveBudget
    private let largest: Int
    private(set) var size = ReceiveBudget.smallest
    private var wasSmall = false
    private var quickReads = 0
    private var lastRead: NIODeadline?
    private let now: @Sendable () -> NIODeadline

    init(
        budget: ReceiveBudget,
        largest: Int = ReceiveBudget.largest,
        now: @escaping @Sendable () -> NIODeadline = { .now() }
    ) {
        self.budget = budget
        self.largest = largest
        self.now = now
    }

    func buffer(allocator: ByteBufferAllocator) -> ByteBuffer { allocator.buffer(capacity: size) }

    /// Always true. Then NIO keeps no buffer for the next read, which would occupy memory for as long as the connection is open.
    mutating func record(actualReadBytes: Int) -> Bool {
        let time = now()
        let passed = lastRead.map { time - $0 }
        lastRead = time
        if actualReadBytes >= size {
            wasSmall = false
            pace(passed)
        } else if actualReadBytes <= size >> 1 {
            if wasSmall { size >>= 1 }
            wasSmall.toggle()
        } else {
            wasSmall = false
        }
        size = max(ReceiveBudget.smallest, min(size, largest, budget.share))
        return true
    }

    private mutating func pace(_ passed: TimeAmount?) {
        guard let passed, passed <= Self.quickly else {
            quickReads = 0
            if let passed, passed > Self.slowly { size >>= 1 }
            return
        }
        quickReads += 1
        if quickReads == Self.quickReads {
            quickReads = 0
            size <<= 1
        }
    }
}
