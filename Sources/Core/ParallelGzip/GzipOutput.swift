import NIOCore

/// Adds the gzip header and trailer to the compressed blocks of a stream, and passes the bytes to `sink` in pieces.
struct GzipOutput {
    private var frame = GzipFrame()
    /// The bytes that `sink` has not taken yet.
    private var pending: ByteBuffer
    /// Whether the trailer is at the end of `pending`, or was taken.
    private var hasTrailer = false
    /// What `sink` threw.
    private var failure: (any Error)?

    init(_ level: GzipLevel) {
        pending = GzipFrame.header(level)
    }

    mutating func add(_ block: CompressedBlock, isLast: Bool) {
        frame.add(block)
        pending.writeImmutableBuffer(block.bytes)
        if isLast { end() }
    }

    /// No block follows.
    mutating func end() {
        pending.writeImmutableBuffer(frame.trailer())
        hasTrailer = true
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
        if hasTrailer {
            guard pending.readableBytes >= GzipFrame.trailerLength else { return nil }
            pending.moveWriterIndex(to: pending.writerIndex - GzipFrame.trailerLength)
        }
        pending.writeImmutableBuffer(GzipFrame.invalidBlock)
        return pending
    }

    /// The trailer is never split, so that it can be left out as a whole.
    private var nextLength: Int {
        let count = pending.readableBytes
        guard count > GzipEncoder.largestPiece else { return count }
        return min(GzipEncoder.largestPiece, hasTrailer ? count - GzipFrame.trailerLength : count)
    }
}
