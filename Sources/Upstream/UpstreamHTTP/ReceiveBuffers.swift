import NIOCore
import NIOSSL
import Synchronization

/// How much is read from upstreams at once: large pieces while few connections are open, small ones when many are.
///
/// Reading 512 KiB with one call costs half the processor time of reading 64 KiB eight times (fewer acknowledgements and
/// wake-ups), but each download keeps up to four pieces in memory as long as its client is slow.
final class ReceiveBudget: Sendable {
    /// What the pieces being read make together, as long as there are no more connections than `total / smallest`.
    static let total = 8 << 20
    static let smallest = 8 << 10
    static let largest = 512 << 10
    /// Under TLS: the buffer for the plain bytes is made anew for each read and grows by doubling, and what it costs to
    /// grow further is more than the calls that it spares (measured).
    static let largestEncrypted = 256 << 10

    private let connections = Atomic(0)

    /// The largest piece that a connection may read now: a power of two.
    var share: Int {
        let fair = Self.total / max(1, connections.load(ordering: .relaxed))
        var share = Self.largest
        while share > fair, share > Self.smallest { share >>= 1 }
        return share
    }

    /// Makes a connection take part, until it is closed. Call on the event loop of `channel`.
    func admit(_ channel: any Channel) throws {
        let options = channel.syncOptions
        // More in one turn would be as much memory again, and is not faster.
        try options?.setOption(.maxMessagesPerRead, value: 1)
        let isEncrypted = (try? channel.pipeline.syncOperations.handler(type: NIOSSLClientHandler.self)) != nil
        let largest = isEncrypted ? Self.largestEncrypted : Self.largest
        try options?.setOption(.recvAllocator, value: SharedReceiveAllocator(budget: self, largest: largest))
        connections.wrappingAdd(1, ordering: .relaxed)
        channel.closeFuture.whenComplete { _ in self.connections.wrappingSubtract(1, ordering: .relaxed) }
    }
}

/// Grows while reads fill their buffer and come one after the other, up to the share of the budget; shrinks while they do
/// not fill half of it, or come far apart.
///
/// A read comes when the reader wants more. A large buffer saves a fast reader calls; a slow one would only hold it, at
/// each place on its way, so that hundreds that begin at once are large before the budget sees how many they are. A slow
/// reader, too, is fast at first, until what lies between is full: growth takes several reads.
struct SharedReceiveAllocator: RecvByteBufferAllocator {
    /// So many full reads in a row, each no later than this after the one before, double the buffer.
    static let quickReads = 4
    static let quickly = TimeAmount.milliseconds(5)
    /// A full read that comes later than this halves it.
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

    /// Always true: NIO keeps no buffer then for the next read, which would be memory for as long as the connection is
    /// open.
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
