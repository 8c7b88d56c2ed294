public import NIOCore

/// The threads that compress, shared by any number of streams, whatever their coding.
///
/// Processor time for compression is spent here only: never on an event loop, and never on the threads that run Swift's
/// tasks. Blocks of all streams are taken in the order in which they were submitted, so that no stream delays the others for longer
/// than its own blocks in flight take.
///
/// Memory: at most 1 MiB for each thread, allocated with its first block, and one block of 288 KiB more than there are threads,
/// which are kept to be used again.
///
/// A thread is started when there is work and no thread is free. All threads end after their current block when the last reference
/// to the pool is gone.
public final class CompressionPool: Sendable {
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

    /// An empty block, new or used before.
    func block() -> Block {
        queue.block()
    }
}

/// A block to be compressed for a stream.
struct BlockJob: Sendable {
    var block: Block
    let coder: any BlockCoder
    var rung: Int
    /// Its place in the stream.
    var number: Int
    var stream: BlockStream
}
