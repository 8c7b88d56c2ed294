public import NIOCore

/// The threads that compress, shared by any number of streams.
///
/// Processor time for compression is spent here only: never on an event loop, and never on the threads that run Swift's
/// tasks. Blocks of all streams are taken in the order of their coming, so that no stream holds up the others for longer
/// than its blocks in flight.
///
/// Memory: at most 1 MiB for each thread, taken with its first block, and a block of 288 KiB for each thread and one more
/// that wait to be used again.
///
/// A thread is started when there is work and no other is free. All end after the current block when the last reference
/// to the pool is gone.
public final class GzipPool: Sendable {
    /// The most blocks that are compressed at once.
    public let threads: Int
    private let queue: BlockJobs

    /// Makes a pool; the default is a thread for each core of the machine, or as many as its container may use. Fewer
    /// than 1 counts as 1.
    public init(threads: Int = System.coreCount) {
        self.threads = max(1, threads)
        queue = BlockJobs(threads: self.threads)
    }

    deinit {
        queue.stop()
    }

    func submit(_ job: BlockJob) {
        queue.add(job)
    }

    /// An empty block, perhaps a used one.
    func block() -> Block {
        queue.block()
    }
}

/// A block to be compressed for a stream.
struct BlockJob: Sendable {
    var block: Block
    var effort: Effort
    /// Its place in the stream.
    var number: Int
    var stream: GzipStream
}
