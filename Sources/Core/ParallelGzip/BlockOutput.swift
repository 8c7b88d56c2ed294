import NIOCore

/// Lays a frame around the compressed blocks of a stream, and passes the bytes to `sink` in pieces.
struct BlockOutput {
    /// The most bytes that `sink` gets at once.
    static let largestPiece = 256 << 10

    private var frame: any BlockFrame
    /// The bytes that `sink` has not taken yet.
    private var pending: ByteBuffer
    /// How many bytes the trailer has, which is at the end of `pending`, or was taken; 0 before the end of the stream.
    private var trailerLength = 0
    /// What `sink` threw.
    private var failure: (any Error)?

    init(_ frame: any BlockFrame) {
        self.frame = frame
        pending = frame.header
    }

    mutating func add(_ block: CompressedBlock, isLast: Bool) throws {
        frame.add(block)
        pending.writeImmutableBuffer(block.bytes)
        if isLast { try end() }
    }

    /// No block follows.
    mutating func end() throws {
        let trailer = try frame.trailer()
        pending.writeImmutableBuffer(trailer)
        trailerLength = trailer.readableBytes
    }

    /// Passes everything that was added to `sink`. Stops when `sink` throws.
    mutating func give(to sink: (ByteBuffer) async throws -> Void) async throws {
        while pending.readableBytes > 0 {
            var rest = pending
            guard let piece = rest.readSlice(length: nextLength) else { return }
            do {
                try await sink(piece)
            } catch {
                failure = error
                throw error
            }
            pending = rest
        }
        // Frees the memory.
        pending = ByteBuffer()
    }

    /// The bytes that make the failure visible, to be sent after those that `sink` has taken; nil when `sink` itself failed.
    mutating func broken(by error: any Error) -> ByteBuffer? {
        // A `sink` that throws because its task was cancelled has not taken the piece, so the piece can still be sent.
        if let failure, !(failure is CancellationError && Task.isCancelled) { return nil }
        if trailerLength > 0 {
            guard pending.readableBytes >= trailerLength else { return nil }
            pending.moveWriterIndex(to: pending.writerIndex - trailerLength)
        }
        pending.writeImmutableBuffer(type(of: frame).invalidBlock)
        return pending
    }

    /// The trailer is never split, so that it can be left out as a whole.
    private var nextLength: Int {
        let count = pending.readableBytes
        guard count > Self.largestPiece else { return count }
        return min(Self.largestPiece, count - trailerLength)
    }
}
