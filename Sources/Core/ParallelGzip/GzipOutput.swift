import NIOCore

/// What stands between the compressed blocks of a stream and its `sink`: the frame around them, cut into pieces.
struct GzipOutput {
    private var frame = GzipFrame()
    /// What `sink` has not taken yet.
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

    /// Hands over everything that was added; stops where `sink` throws.
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
        // Lets the memory go.
        pending = ByteBuffer()
    }

    /// The bytes that make the break visible, behind those that `sink` has taken; nil when `sink` is what failed.
    mutating func broken(by error: any Error) -> ByteBuffer? {
        // One that was cancelled while it waited has not taken its piece, and can take no other.
        if let failure, !(failure is CancellationError && Task.isCancelled) { return nil }
        if hasTrailer {
            guard pending.readableBytes >= GzipFrame.trailerLength else { return nil }
            pending.moveWriterIndex(to: pending.writerIndex - GzipFrame.trailerLength)
        }
        pending.writeImmutableBuffer(GzipFrame.invalidBlock)
        return pending
    }

    /// The trailer is never cut in two, so that it can be left out.
    private var nextLength: Int {
        let count = pending.readableBytes
        guard count > GzipEncoder.largestPiece else { return count }
        return min(GzipEncoder.largestPiece, hasTrailer ? count - GzipFrame.trailerLength : count)
    }
}
