import Exports
import NIOCore
import ParallelGzip

/// The bytes of one answer of an upstream, decoded if they came with gzip, in pieces of limited size.
///
/// Upstreams are not asked for gzip. If one sends it anyway, it is always decoded, also for a client that accepts gzip:
/// measuring, proving, resuming and encoding all work on the file itself.
struct PlainBytes {
    /// The most bytes that `next` returns at once. Larger pieces of the upstream are split without copying.
    static let largestPiece = 512 << 10
    /// Files of exports have ratios of 3 to 20. Runs of zeros have 1000, and a mailbox may begin with one; a gibibyte with such
    /// a ratio is a decompression bomb.
    static let gzipLimits = GzipDecoder.Limits(ratio: 200, ratioThreshold: 1 << 30)

    private var source: any AsyncIteratorProtocol<ByteBuffer, any Error>
    private let gunzip: Gunzip?
    private var piece = ByteBuffer()
    /// How many bytes the upstream has sent.
    private(set) var received: Int64 = 0
    /// Whether the upstream has ended properly.
    private(set) var hasEnded = false

    /// Makes a reader. Nothing is read from the upstream before the first `next`.
    init(_ body: FileBody, coding: ContentCoding) throws(DownloadFailure) {
        source = body.bytes.makeAsyncIterator()
        do {
            gunzip = coding == .gzip ? try Gunzip(limits: Self.gzipLimits) : nil
        } catch {
            throw DownloadFailure(.decoderFailed, "The decoder could not be made.", cause: error)
        }
    }

    /// The next bytes, never empty; nil when the upstream has ended properly.
    mutating func next() async throws(DownloadFailure) -> ByteBuffer? {
        while true {
            if let plain = try plain() { return plain }
            guard let fresh = try await pull() else {
                if let gunzip, !gunzip.isAtEnd {
                    throw DownloadFailure(.endedEarly, "The upstream's gzip ended early, after \(received) bytes.")
                }
                hasEnded = true
                return nil
            }
            piece = fresh
        }
    }

    /// What can be read from the current piece; nil when there is no more in it.
    private mutating func plain() throws(DownloadFailure) -> ByteBuffer? {
        guard let gunzip else {
            guard piece.readableBytes > 0 else { return nil }
            return piece.readSlice(length: min(piece.readableBytes, Self.largestPiece))
        }
        do {
            return try gunzip.decode(&piece)
        } catch {
            throw DownloadFailure(
                .decoderFailed,
                "The upstream's gzip cannot be decoded, after \(received) bytes.",
                cause: error
            )
        }
    }

    private mutating func pull() async throws(DownloadFailure) -> ByteBuffer? {
        do {
            guard let fresh = try await source.next(isolation: nil) else { return nil }
            received += Int64(fresh.readableBytes)
            return fresh
        } catch let error as CancellationError {
            throw DownloadFailure(.cancelled, "The download was cancelled after \(received) bytes.", cause: error)
        } catch {
            throw DownloadFailure(
                .upstreamFailed,
                "The upstream's stream failed after \(received) bytes.",
                cause: error
            )
        }
    }
}
