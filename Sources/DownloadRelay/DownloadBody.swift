public import NIOCore

import ParallelGzip

/// The bytes of a file on their way: read once.
///
/// Memory: one piece of the upstream's, and for gzip the encoder's constant (see `GzipEncoder`), whatever the length.
public struct DownloadBody: Sendable {
    private let first: ByteBuffer?
    private let rest: Handover
    /// Nil when the bytes go out as they come.
    private let encoder: GzipEncoder?
    private let record: DownloadRecord

    init(_ opened: OpenedFile, encoder: GzipEncoder?, record: DownloadRecord) {
        first = opened.first
        rest = opened.rest
        self.encoder = encoder
        self.record = record
    }

    /// Hands the bytes to `sink`, in order, in pieces of at most 256 KiB.
    ///
    /// Returns only when every byte was taken by `sink` and they are the whole file: the upstream ended, and the length
    /// is what it and the export's record had announced. The upstream is asked for no more than `sink` takes, with gzip than
    /// the encoder holds for it, so that a slow reader slows the upstream down.
    ///
    /// Throws what `sink` throws (the client is gone), and `DownloadFailure` when the upstream ends early, runs over,
    /// breaks off or stalls. Then the connection must be cut, never ended properly: with gzip the trailer is missing, with
    /// a known length the last piece is. The upstream has been let go by then. A cancelled task is a broken download.
    ///
    /// For gzip the work is done on the encoder's own threads, and the upstream is read by a child task while `sink` is
    /// awaited.
    public func write(_ sink: (ByteBuffer) async throws -> Void) async throws {
        guard var bytes = rest.take() else {
            throw DownloadFailure(.alreadyWritten, "The bytes of this download have been sent already.")
        }
        var held = first
        var sent: Int64 = 0
        var clientError: (any Error)?

        func next() async throws -> ByteBuffer? {
            if let piece = held.take() { return piece }
            return try await bytes.next()
        }
        func deliver(_ piece: ByteBuffer) async throws {
            do {
                try await sink(piece)
            } catch {
                clientError = error
                throw error
            }
            sent += Int64(piece.readableBytes)
            record.delivered(piece.readableBytes)
        }

        do {
            if let encoder {
                // They may run at the same time: `next` has `held` and `bytes` to itself, `deliver` the other two.
                try await encoder.encode(from: next, to: deliver)
            } else {
                while let piece = try await next() {
                    try await deliver(piece)
                }
            }
        } catch {
            if let clientError {
                record.clientLeft(received: bytes.received, sent: sent, clientError)
                throw clientError
            }
            let failure = Self.failure(for: error, received: bytes.received)
            record.broke(received: bytes.received, sent: sent, failure)
            throw failure
        }
        record.finished(received: bytes.received, sent: sent)
    }

    private static func failure(for error: any Error, received: Int64) -> DownloadFailure {
        switch error {
        case let failure as DownloadFailure:
            failure
        case is CancellationError:
            DownloadFailure(.upstreamFailed, "The download was cancelled after \(received) bytes.", cause: error)
        default:
            DownloadFailure(.encoderFailed, "The encoder failed after \(received) bytes.", cause: error)
        }
    }
}
