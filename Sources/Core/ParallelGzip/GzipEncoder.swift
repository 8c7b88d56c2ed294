public import NIOCore

/// Encodes a stream of bytes as one gzip member (RFC 1952), on the threads of a pool, in constant memory.
///
/// The input is cut into blocks of 256 KiB (`adaptive` cuts 64 KiB for a slow client). Each is compressed on its own, with
/// the 32 KiB before it to refer back to, and ends at a byte, so that the blocks of one stream are worked on at once and
/// laid end to end. Any reader of gzip reads the whole, as one member.
///
/// - Memory: see ``memoryPerStream``; less when the client is slow, because then fewer blocks are prepared for it. The
///   compressors' own memory belongs to the pool.
/// - Determinism: except for `adaptive`, the same bytes at the same level give the same output, however they are cut into
///   pieces and whatever the number of threads, unless the input pauses (see `flushAfter`). The header holds no name, no
///   time and no operating system.
public struct GzipEncoder: Sendable {
    /// The most bytes that `sink` gets at once.
    public static let largestPiece = BlockOutput.largestPiece
    /// How much input is compressed at once; a later byte never waits for more than this.
    public static let blockSize = Block.capacity

    /// The effort.
    public let level: GzipLevel
    private let pool: CompressionPool
    private let engine: GzipEngine
    private let flushAfter: Duration
    private let sleep: @Sendable (Duration) async throws -> Void

    /// Makes an encoder; it may be used any number of times, at once too.
    ///
    /// - `engine`: what `fast` and `adaptive` use; one that this program was built without counts as zlib.
    /// - `flushAfter`: how long a byte of the input may wait for others to come before it is compressed and handed over.
    /// - `sleep`: how time passes; returns after the duration, or throws when the task is cancelled.
    public init(
        level: GzipLevel,
        pool: CompressionPool,
        engine: GzipEngine = .fastest,
        flushAfter: Duration = .milliseconds(500),
        sleep: @escaping @Sendable (Duration) async throws -> Void = { try await Task.sleep(for: $0) }
    ) {
        self.level = level
        self.pool = pool
        self.engine = GzipEngine.available.contains(engine) ? engine : .zlib
        self.flushAfter = flushAfter
        self.sleep = sleep
    }

    /// The most blocks of a stream that are between input and client: one for each thread, one that the client takes, one
    /// that is ready; at most 10, however many cores there are.
    var blocksInFlight: Int { min(pool.threads + 2, 10) }

    /// The most memory that one stream takes, in bytes: the blocks in flight, the one that is being filled, the history for
    /// the next. With two threads 1.6 MiB.
    public var memoryPerStream: Int { (blocksInFlight + 1) * (Block.memory + Block.memory / 8) + Block.historySize }

    /// Encodes what `next` gives until it gives nil, and hands the encoded bytes to `sink`, in order.
    ///
    /// `next` is awaited only while there is place for more, so that a slow reader slows the source down; `sink` is awaited
    /// before it gets more. **The two may be awaited at the same time**, each never twice at once: `sink` on the task that
    /// calls, `next` on a child task of it. They must not share mutable state that is not protected. Neither does any of
    /// the compressor's work.
    ///
    /// Returns after the last byte of a complete member was taken by `sink`; no input at all is a valid member of
    /// 20 bytes. When `next` or `sink` throws, that error comes out, and `CancellationError` at once when the task is
    /// cancelled (as far as `next` and `sink` heed the cancellation of their tasks: they have ended when this returns).
    /// Then `sink` gets nothing more, and what it got lacks the trailer, so that no reader takes it for whole.
    ///
    /// Many readers of HTTP do take it for whole all the same where the framing around it ends properly, as it does behind
    /// some proxies. `breakOff` therefore gets bytes to be laid behind those that `sink` took, which no reader of gzip
    /// takes: see ``GzipFrame/invalidBlock``. It is called once, before the error comes out, unless `sink` itself failed
    /// (there is nobody to read them then). In a cancelled task, a `sink` that throws `CancellationError` must not have
    /// taken the piece: `breakOff` gets that too, less than one block.
    ///
    /// Throws `GzipError` when there is no memory for the compressor.
    public func encode(
        from next: @escaping () async throws -> ByteBuffer?,
        to sink: (ByteBuffer) async throws -> Void,
        breakOff: (ByteBuffer) async -> Void = { _ in }
    ) async throws {
        let ladder = level == .adaptive ? Effort.ladder(on: engine) : [Effort(level, on: engine)]
        let encoding = BlockEncoding(
            coder: GzipCoder(ladder: ladder),
            frame: GzipFrame(level),
            pace: Pace(ladder: ladder, threads: pool.threads, largestDepth: blocksInFlight),
            pool: pool,
            flushAfter: flushAfter,
            sleep: sleep
        )
        try await encoding.encode(from: next, to: sink, breakOff: breakOff)
    }
}
