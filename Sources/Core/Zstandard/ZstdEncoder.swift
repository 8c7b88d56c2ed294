public import NIOCore
public import ParallelGzip

/// Encodes a stream of bytes as one frame of zstd (RFC 8878), on the threads of a pool, in constant memory.
///
/// The input is cut into blocks of 256 KiB. They are compressed one after the other, each by whichever thread of the pool is free, while
/// the next one is read and the one before is written. So one stream uses one core, and many streams use all.
///
/// - Frame: with a checksum of the content, without a dictionary; with the length of the content where it is given. The window is 1 MiB
///   at most, which any decoder of the content coding `zstd` supports (RFC 9659, 3).
/// - Memory: see ``memoryPerStream``; less when the client is slow, because then fewer blocks are prepared for it.
/// - Determinism: with one version of libzstd, the same bytes at the same level with the same length given are the same output, however
///   they are cut into pieces, unless the input pauses (see `flushAfter`).
public struct ZstdEncoder: Sendable {
    /// The most bytes that `sink` gets at once.
    public static let largestPiece = GzipEncoder.largestPiece
    /// How much input is compressed at once; a later byte never waits for more than this.
    public static let blockSize = Block.capacity
    /// The most blocks of a stream that are between input and client: one that is compressed, one that the client takes, and one that
    /// is ready.
    static let blocksInFlight = 3

    /// The effort.
    public let level: ZstdLevel
    private let pool: CompressionPool
    private let flushAfter: Duration
    private let sleep: @Sendable (Duration) async throws -> Void

    /// Makes an encoder; it may be used any number of times, at once too.
    ///
    /// - `flushAfter`: how long a byte of the input may wait for others to come before it is compressed and handed over.
    /// - `sleep`: how time passes; returns after the duration, or throws when the task is cancelled.
    public init(
        level: ZstdLevel,
        pool: CompressionPool,
        flushAfter: Duration = .milliseconds(500),
        sleep: @escaping @Sendable (Duration) async throws -> Void = { try await Task.sleep(for: $0) }
    ) {
        self.level = level
        self.pool = pool
        self.flushAfter = flushAfter
        self.sleep = sleep
    }

    /// The most memory that one stream takes, in bytes: the blocks in flight, the one that is being filled, and what libzstd takes.
    /// 3.5 MiB.
    public var memoryPerStream: Int {
        (Self.blocksInFlight + 1) * (Block.memory + Block.memory / 8) + ZstdParameters.memory
    }

    /// Encodes what `next` gives until it gives nil, and hands the encoded bytes to `sink`, in order.
    ///
    /// How `next` and `sink` are called, and how it ends, is as with `GzipEncoder.encode`: it returns after the last byte of a complete
    /// frame was taken by `sink`; no input at all is a valid frame of 13 bytes. When it throws, what `sink` got lacks the end of the
    /// frame, so that no reader takes it for whole, and `breakOff` has got bytes to be laid behind it, at which every reader of zstd
    /// fails; not when `sink` itself failed.
    ///
    /// Throws `ZstdError` when there is no memory for the compressor, and when the input has another length than `length`.
    ///
    /// - Parameter length: The bytes of the input, where that is known: the frame's header has it.
    public func encode(
        length: Int64? = nil,
        from next: @escaping () async throws -> ByteBuffer?,
        to sink: (ByteBuffer) async throws -> Void,
        breakOff: (ByteBuffer) async -> Void = { _ in }
    ) async throws {
        let coder = try ZstdCoder(ZstdParameters(level), length: length.flatMap(UInt64.init(exactly:)))
        let encoding = BlockEncoding(
            coder: coder,
            frame: ZstdFrame(coder: coder),
            pace: Pace(relativeCosts: [1], threads: 1, largestDepth: Self.blocksInFlight),
            pool: pool,
            flushAfter: flushAfter,
            sleep: sleep
        )
        try await encoding.encode(from: next, to: sink, breakOff: breakOff)
    }
}
