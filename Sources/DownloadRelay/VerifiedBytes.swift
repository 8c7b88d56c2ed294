import NIOCore

/// The upstream's bytes, cut to bearable pieces and held against the length that was announced.
///
/// The piece that completes the announced length is held back until the upstream has ended: otherwise a client would
/// have everything that `Content-Length` promises before it turns out that the bytes run over.
struct VerifiedBytes {
    /// The most bytes that `next` gives at once; larger pieces of the upstream are cut without copying.
    static let largestPiece = 256 << 10

    private var source: (any AsyncIteratorProtocol<ByteBuffer, any Error>)?
    private let announced: Int64?
    private var piece = ByteBuffer()
    /// How many bytes the upstream has sent.
    private(set) var received: Int64 = 0

    /// Starts reading; nothing is asked of the upstream before the first `next`.
    init(_ source: any AsyncIteratorProtocol<ByteBuffer, any Error>, announced: Int64?) {
        self.source = source
        self.announced = announced
    }

    /// The next bytes, never none; nil when the file is whole.
    ///
    /// After nil and after a failure, the upstream has been let go.
    mutating func next() async throws(DownloadFailure) -> ByteBuffer? {
        do throws(DownloadFailure) {
            if piece.readableBytes == 0 {
                guard let fresh = try await pull() else {
                    if let announced, received < announced { throw endedEarly(announced) }
                    source = nil
                    return nil
                }
                piece = fresh
                if received == announced {
                    if try await pull() != nil { throw ranOver() }
                    source = nil
                }
            }
            return piece.readSlice(length: min(piece.readableBytes, Self.largestPiece))
        } catch {
            source = nil
            piece = ByteBuffer()
            throw error
        }
    }

    /// The upstream's next bytes that are any, counted.
    private mutating func pull() async throws(DownloadFailure) -> ByteBuffer? {
        guard source != nil else { return nil }
        while true {
            let fresh: ByteBuffer?
            do {
                fresh = try await source?.next(isolation: nil)
            } catch {
                throw DownloadFailure(
                    .upstreamFailed,
                    "The upstream's stream failed after \(received) bytes.",
                    cause: error
                )
            }
            guard let fresh else { return nil }
            received += Int64(fresh.readableBytes)
            if let announced, received > announced { throw ranOver() }
            if fresh.readableBytes > 0 { return fresh }
        }
    }

    private func endedEarly(_ announced: Int64) -> DownloadFailure {
        DownloadFailure(.endedEarly, "The upstream sent \(received) of \(announced) bytes.")
    }

    private func ranOver() -> DownloadFailure {
        DownloadFailure(
            .ranOver,
            "The upstream sent \(received) bytes and more, where \(announced ?? 0) had been announced."
        )
    }
}
