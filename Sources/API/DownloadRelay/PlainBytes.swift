import Exports
import NIOCore
import ParallelGzip

/// The bytes of one answer of an upstream, decoded where it sent them with gzip, in bearable pieces.
///
/// Upstreams are not asked for gzip. One that sends it all the same is decoded always, also for a client that takes
/// gzip: what is measured, proved, continued and encoded is the file.
struct PlainBytes {
    /// The most bytes that `next` gives at once; larger pieces of the upstream are cut without copying.
    static let largestPiece = 512 << 10
    /// Files of exports are at 3 to 20. Runs of zeros are at 1000, and a mailbox may begin with one; a gibibyte of that kind
    /// is a trap.
    static let gzipLimits = GzipDecoder.Limits(ratio: 200, ratioFloor: 1 << 30)

    private var source: any AsyncIteratorProtocol<ByteBuffer, any Error>
    private let gunzip: Gunzip?
    private var piece = ByteBuffer()
    /// How many bytes the upstream has sent.
    private(set) var received: Int64 = 0
    /// Whether the upstream has ended properly.
    private(set) var hasEnded = false

    /// Starts reading; nothing is asked of the upstream before the first `next`.
    init(_ body: FileBody, coding: ContentCoding) throws(DownloadFailure) {
        source = body.bytes.makeAsyncIterator()
        do {
            gunzip = coding == .gzip ? try Gunzip(limits: Self.gzipLimits) : nil
        } catch {
            throw DownloadFailure(.decoderFailed, "The decoder could not be made.", cause: error)
        }
    }

    /// The next bytes, never none; nil when the upstream has ended properly.
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

    /// What can be had of the piece at hand; nil when there is no more in it.
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
