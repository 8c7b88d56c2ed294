import NIOCore

/// A piece of the input that is compressed on its own, and the bytes before it, to which the compressor may refer back.
///
/// Both lie in one memory: at most ``historySize`` bytes that are compressed already, then up to ``capacity`` that are not.
///
/// Unchecked: it has one owner at a time. The reader fills it and hands it to the pool; after that, only the thread that compresses
/// it uses it.
package final class Block: @unchecked Sendable {
    /// How far deflate looks back.
    static let historySize = 32 << 10
    /// The most bytes to compress in one block. Measured: half of it costs 4 % of ISA-L's speed, the double gains 1 %.
    package static let capacity = 256 << 10
    /// The same for a slow client: a quarter, so that less memory waits for it.
    static let smallCapacity = 64 << 10
    /// The memory of one block.
    package static let memory = historySize + capacity

    private let storage: UnsafeMutableRawPointer
    private(set) var historyCount = 0
    package private(set) var count = 0
    private var limit = Block.capacity

    init() {
        storage = .allocate(byteCount: Self.memory, alignment: 64)
    }

    deinit {
        storage.deallocate()
    }

    var isFull: Bool { count == limit }

    /// The bytes to compress; those of the history lie before them.
    package var bytes: UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: storage + historyCount, count: count)
    }

    /// Empties the block and begins it with `history`. It takes at most `limit` bytes.
    func begin(after history: History, limit: Int) {
        self.limit = min(limit, Self.capacity)
        count = 0
        historyCount = history.copy(to: storage)
    }

    /// Moves as many bytes from the front of `input` as fit.
    func append(_ input: inout ByteBuffer) {
        let taken = min(input.readableBytes, limit - count)
        input.withUnsafeReadableBytes { source in
            let target = UnsafeMutableRawBufferPointer(start: storage + historyCount + count, count: taken)
            target.copyMemory(from: UnsafeRawBufferPointer(rebasing: source[..<taken]))
        }
        input.moveReaderIndex(forwardBy: taken)
        count += taken
    }

    /// History and bytes together.
    fileprivate var everything: UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: storage, count: historyCount + count)
    }
}

/// The last bytes of a stream, as many as the next block may refer back to.
struct History: Sendable {
    private var bytes = ByteBuffer()

    /// Becomes the history of the block after `block`.
    mutating func follow(_ block: Block) {
        bytes.clear(minimumCapacity: Block.historySize)
        bytes.writeBytes(block.everything.suffix(Block.historySize))
    }

    fileprivate func copy(to target: UnsafeMutableRawPointer) -> Int {
        bytes.withUnsafeReadableBytes { source in
            if let start = source.baseAddress { target.copyMemory(from: start, byteCount: source.count) }
        }
        return bytes.readableBytes
    }
}

/// The result of compressing a block.
package struct CompressedBlock: Sendable {
    /// What the coder made of it, ended at a byte: for gzip raw deflate, ended by a sync flush.
    package var bytes: ByteBuffer
    /// The CRC-32 of the block's own bytes; 0 where the coder adds up a checksum of the whole stream itself.
    var checksum: UInt32
    /// How many bytes went in.
    var length: Int
    /// How long the thread worked on it.
    var work: Duration = .zero

    package init(bytes: ByteBuffer, checksum: UInt32 = 0, length: Int) {
        self.bytes = bytes
        self.checksum = checksum
        self.length = length
    }
}
