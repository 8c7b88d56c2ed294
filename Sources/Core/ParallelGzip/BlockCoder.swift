import NIOCore

/// Compresses the blocks of a stream on the threads of a pool.
package protocol BlockCoder: Sendable {
    /// Whether a block can be compressed only after the one before it. Otherwise any number of them are compressed at once.
    var isSequential: Bool { get }

    /// Compresses a block, with the effort that is named by its place in the ladder of the stream's `Pace`. The output ends at a
    /// byte, and has all of the block. Where `isSequential`, it is called for one block at a time, in their order.
    ///
    /// Called on a thread of the pool, whose own compressor and memory it may use.
    func compress(_ block: Block, rung: Int, on thread: BlockCompressor) throws -> CompressedBlock
}

/// The bytes around the blocks of a stream.
package protocol BlockFrame: Sendable {
    /// The bytes before the first block.
    var header: ByteBuffer { get }

    /// Counts a block, in their order.
    mutating func add(_ block: CompressedBlock)

    /// The bytes after the last block, without which no reader takes the stream for whole. Called once, when all blocks have been
    /// compressed and added.
    mutating func trailer() throws -> ByteBuffer

    /// Bytes at which every decoder fails where it expects a block.
    static var invalidBlock: ByteBuffer { get }
}

/// gzip: each block on its own, with one effort for each rung.
struct GzipCoder: BlockCoder {
    let ladder: [Effort]

    var isSequential: Bool { false }

    func compress(_ block: Block, rung: Int, on thread: BlockCompressor) throws -> CompressedBlock {
        try thread.compress(block, ladder[rung])
    }
}
