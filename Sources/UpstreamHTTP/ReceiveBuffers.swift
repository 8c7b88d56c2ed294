import NIOCore
import Synchronization

/// How much is read from upstreams at once: large pieces while few connections are open, small ones when many are.
///
/// Reading 256 KiB with one call costs half the processor time of reading 64 KiB four times (fewer acknowledgements and
/// wake-ups), but each download keeps up to three pieces in memory as long as its client is slow.
final class ReceiveBudget: Sendable {
    /// What the pieces being read make together, as long as there are no more connections than `total / smallest`.
    static let total = 8 << 20
    static let smallest = 16 << 10
    static let largest = 256 << 10

    private let connections = Atomic(0)

    /// The largest piece that a connection may read now: a power of two.
    var share: Int {
        let fair = Self.total / max(1, connections.load(ordering: .relaxed))
        var share = Self.largest
        while share > fair, share > Self.smallest { share >>= 1 }
        return share
    }

    /// Makes a connection take part, until it is closed. Call on the event loop of `channel`.
    func admit(_ channel: any Channel) -> EventLoopFuture<Void> {
        channel.eventLoop.makeCompletedFuture {
            let options = channel.syncOptions
            // More in one turn would be as much memory again, and is not faster.
            try options?.setOption(.maxMessagesPerRead, value: 1)
            try options?.setOption(.recvAllocator, value: SharedReceiveAllocator(budget: self))
            connections.wrappingAdd(1, ordering: .relaxed)
            channel.closeFuture.whenComplete { _ in self.connections.wrappingSubtract(1, ordering: .relaxed) }
        }
    }
}

/// Grows while reads fill their buffer, up to the share of the budget, and shrinks while they do not fill half of it.
struct SharedReceiveAllocator: RecvByteBufferAllocator {
    let budget: ReceiveBudget
    private(set) var size = ReceiveBudget.smallest
    private var wasSmall = false

    init(budget: ReceiveBudget) {
        self.budget = budget
    }

    func buffer(allocator: ByteBufferAllocator) -> ByteBuffer { allocator.buffer(capacity: size) }

    /// Always true: NIO keeps no buffer then for the next read, which would be memory for as long as the connection is
    /// open.
    mutating func record(actualReadBytes: Int) -> Bool {
        let share = budget.share
        if actualReadBytes >= size {
            size = min(size << 1, share)
            wasSmall = false
        } else if actualReadBytes <= size >> 1 {
            if wasSmall { size = max(size >> 1, ReceiveBudget.smallest) }
            wasSmall.toggle()
        } else {
            wasSmall = false
        }
        size = min(size, share)
        return true
    }
}
