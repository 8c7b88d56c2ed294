import CZlib
import NIOCore

#if ISAL
import CISAL
#endif

/// Compresses blocks, one at a time: a thread has one of its own, and it keeps its memory between blocks.
///
/// Memory: 268 KiB with zlib, 420 KiB with ISA-L, each taken with the first block that needs it, and one block of output.
package final class BlockCompressor {
    /// The most that a block can become: stored, with a header for each of the compressor's own blocks.
    private static let outputCapacity = Block.capacity + Block.capacity / 8 + 4096

    private var output: UnsafeMutablePointer<UInt8>?
    private var zlib: ZlibDeflater?
    #if ISAL
    private var isal: UnsafeMutableRawPointer?
    #endif

    deinit {
        output?.deallocate()
        #if ISAL
        free(isal)
        #endif
    }

    func compress(_ block: Block, _ effort: Effort) throws(GzipError) -> CompressedBlock {
        let output = takeOutput()
        let count =
            switch effort.engine {
            case .zlib: try deflate(block, effort.level, to: output)
            case .isal: try deflateFast(block, effort.level, to: output)
            }
        // Copied, because the thread uses its own memory again for the next block, and the copy is only as long as needed.
        let bytes = ByteBuffer(bytes: UnsafeRawBufferPointer(start: output, count: count))
        var checksum = CRC32()
        checksum.update(block.bytes)
        return CompressedBlock(bytes: bytes, checksum: checksum.value, length: block.count)
    }

    /// Memory for the output of one block, which the thread uses again for the next: more than any coder makes of a block.
    package var scratch: UnsafeMutableRawBufferPointer {
        UnsafeMutableRawBufferPointer(start: takeOutput(), count: Self.outputCapacity)
    }

    private func takeOutput() -> UnsafeMutablePointer<UInt8> {
        let output = self.output ?? .allocate(capacity: Self.outputCapacity)
        self.output = output
        return output
    }

    private func deflate(_ block: Block, _ level: Int32, to output: UnsafeMutablePointer<UInt8>) throws(GzipError)
        -> Int
    {
        if zlib?.level != level {
            zlib = nil
            zlib = try ZlibDeflater(level: level)
        }
        guard let zlib else { throw GzipError(code: .outOfMemory, status: Z_MEM_ERROR) }
        return try zlib.deflate(block, to: output, outputCapacity: Self.outputCapacity)
    }

    #if ISAL
    private func deflateFast(
        _ block: Block,
        _ level: Int32,
        to output: UnsafeMutablePointer<UInt8>
    ) throws(GzipError) -> Int {
        guard let isal = isal ?? CISAL_new() else { throw GzipError(code: .outOfMemory, status: 0) }
        self.isal = isal
        let count = CISAL_deflate(
            isal,
            UInt32(level),
            block.bytes.bindMemory(to: UInt8.self).baseAddress,
            UInt32(block.historyCount),
            UInt32(block.count),
            output,
            UInt32(Self.outputCapacity)
        )
        guard count >= 0 else { throw GzipError(code: .compressorFailed, status: Int32(count)) }
        return Int(count)
    }
    #else
    private func deflateFast(
        _ block: Block,
        _ level: Int32,
        to output: UnsafeMutablePointer<UInt8>
    ) throws(GzipError) -> Int {
        try deflate(block, 1, to: output)
    }
    #endif
}

/// zlib at one level, used for one block after another.
private final class ZlibDeflater {
    let level: Int32
    // zlib's state has a pointer to the z_stream, so it must never move.
    private let stream: UnsafeMutablePointer<z_stream>

    init(level: Int32) throws(GzipError) {
        let stream = UnsafeMutablePointer<z_stream>.allocate(capacity: 1)
        stream.initialize(to: z_stream())
        // Negative window bits: raw deflate without a header. 8 is zlib's default memory level; 9 costs 15 % of the speed.
        let status = CZlib_deflateInit2(stream, level, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY)
        guard status == Z_OK else {
            stream.deallocate()
            throw GzipError(code: status == Z_MEM_ERROR ? .outOfMemory : .compressorFailed, status: status)
        }
        // Set last: if an initializer throws after all properties are set, `deinit` runs, and would free the memory a second time.
        self.stream = stream
        self.level = level
    }

    deinit {
        deflateEnd(stream)
        stream.deallocate()
    }

    func deflate(_ block: Block, to output: UnsafeMutablePointer<UInt8>, outputCapacity: Int) throws(GzipError) -> Int {
        let input = block.bytes.bindMemory(to: UInt8.self)
        var status = deflateReset(stream)
        if status == Z_OK, level == 6 {
            // Shorter hash chains than zlib's level 6, but a longer lazy match, as in level 7. A fifth faster than level 6, and the
            // result is as small although the input is cut into blocks.
            status = deflateTune(stream, 4, 24, 128, 64)
        }
        if status == Z_OK, block.historyCount > 0, let start = input.baseAddress {
            status = deflateSetDictionary(stream, start - block.historyCount, uInt(block.historyCount))
        }
        guard status == Z_OK else { throw GzipError(code: .compressorFailed, status: status) }
        // zlib does not write to next_in, although its type is not const.
        stream.pointee.next_in = UnsafeMutablePointer(mutating: input.baseAddress)
        stream.pointee.avail_in = uInt(input.count)
        stream.pointee.next_out = output
        stream.pointee.avail_out = uInt(outputCapacity)
        status = CZlib.deflate(stream, Z_SYNC_FLUSH)
        let left = Int(stream.pointee.avail_out)
        stream.pointee.next_in = nil
        stream.pointee.next_out = nil
        guard status == Z_OK, stream.pointee.avail_in == 0, left > 0 else {
            throw GzipError(code: .compressorFailed, status: status)
        }
        return outputCapacity - left
    }
}
