import CZstd
import NIOCore
import ParallelGzip

/// libzstd at work on one frame.
///
/// Each block is flushed, so that what comes out of it ends at the end of one of zstd's own blocks, and can be decoded at once.
///
/// Unchecked: it has one user at a time. The stream has one block compressed after the other, and asks for the end of the frame when
/// all blocks have been.
final class ZstdCoder: BlockCoder, @unchecked Sendable {
    private let context: OpaquePointer

    /// - Parameter length: The bytes of the whole input; nil where that is not known. The frame's header has it, and another number of
    ///   bytes is an error.
    init(_ parameters: ZstdParameters, length: UInt64?) throws(ZstdError) {
        guard let context = ZSTD_createCCtx() else { throw ZstdError(code: .outOfMemory, status: 0) }
        // Set first, so that `deinit` frees it when one of the parameters is refused.
        self.context = context
        try set(ZSTD_c_compressionLevel, parameters.level)
        try set(ZSTD_c_windowLog, parameters.windowLog)
        try set(ZSTD_c_hashLog, parameters.hashLog)
        if parameters.minMatch > 0 { try set(ZSTD_c_minMatch, parameters.minMatch) }
        try set(ZSTD_c_checksumFlag, 1)
        if let length { _ = try Self.checked(ZSTD_CCtx_setPledgedSrcSize(context, length)) }
    }

    deinit {
        ZSTD_freeCCtx(context)
    }

    var isSequential: Bool { true }

    /// The bytes that libzstd has allocated so far.
    var memory: Int { ZSTD_sizeof_CCtx(context) }

    func compress(_ block: Block, rung: Int, on thread: BlockCompressor) throws -> CompressedBlock {
        let scratch = thread.scratch
        var source = ZSTD_inBuffer(src: block.bytes.baseAddress, size: block.count, pos: 0)
        var bytes = ByteBuffer()
        var left = 1
        while left > 0 {
            let count: Int
            (count, left) = try step(&source, to: scratch, ZSTD_e_flush)
            // Copied, because the thread uses its own memory again for the next block, and the copy is only as long as needed.
            bytes.writeBytes(UnsafeRawBufferPointer(rebasing: scratch[..<count]))
        }
        return CompressedBlock(bytes: bytes, length: block.count)
    }

    /// The end of the frame: an empty last block and the checksum of all bytes. Where there was no block, the whole frame.
    func end() throws(ZstdError) -> ByteBuffer {
        var source = ZSTD_inBuffer(src: nil, size: 0, pos: 0)
        return try withUnsafeTemporaryAllocation(byteCount: 64, alignment: 1) { target throws(ZstdError) in
            let (count, left) = try step(&source, to: target, ZSTD_e_end)
            guard left == 0 else { throw ZstdError(code: .compressorFailed, status: 0) }
            return ByteBuffer(bytes: UnsafeRawBufferPointer(rebasing: target[..<count]))
        }
    }

    private func set(_ parameter: ZSTD_cParameter, _ value: Int32) throws(ZstdError) {
        _ = try Self.checked(ZSTD_CCtx_setParameter(context, parameter, value))
    }

    /// How many bytes were written to `target`, and whether there are more to come.
    private func step(
        _ source: inout ZSTD_inBuffer,
        to target: UnsafeMutableRawBufferPointer,
        _ directive: ZSTD_EndDirective
    ) throws(ZstdError) -> (count: Int, left: Int) {
        var output = ZSTD_outBuffer(dst: target.baseAddress, size: target.count, pos: 0)
        let left = try Self.checked(ZSTD_compressStream2(context, &output, &source, directive))
        return (output.pos, left)
    }

    private static func checked(_ result: Int) throws(ZstdError) -> Int {
        guard ZSTD_isError(result) != 0 else { return result }
        let error = ZSTD_getErrorCode(result)
        let code: ZstdError.Code =
            switch error {
            case ZSTD_error_memory_allocation: .outOfMemory
            case ZSTD_error_srcSize_wrong: .otherLength
            default: .compressorFailed
            }
        throw ZstdError(code: code, status: Int(error.rawValue))
    }
}

/// A frame of zstd (RFC 8878, 3.1.1), of which libzstd writes everything: the header with the first block.
struct ZstdFrame: BlockFrame {
    let coder: ZstdCoder

    var header: ByteBuffer { ByteBuffer() }

    mutating func add(_ block: CompressedBlock) {}

    func trailer() throws -> ByteBuffer { try coder.end() }

    /// Block headers of the type that RFC 8878, 3.1.1.2.2 reserves. Where no block came before, they are no beginning of a frame either.
    static let invalidBlock = ByteBuffer(repeating: 0b111, count: 16)
}
