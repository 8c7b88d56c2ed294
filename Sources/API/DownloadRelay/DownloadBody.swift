public import NIOCore

import Exports
import ParallelGzip
import Synchronization

/// The bytes of a file on their way: read once.
///
/// Memory: one piece of the upstream's, and for gzip the encoder's constant (see `GzipEncoder`), whatever the length.
public struct DownloadBody: DownloadContent {
    private let stream: Handover<FileStream>
    /// Nil when the bytes go out as they are.
    private let encoder: GzipEncoder?
    /// Whether the digest is announced as a trailer field.
    private let hasTrailer: Bool
    private let record: DownloadRecord
    private let reservation: DownloadReservation

    init(
        _ stream: Handover<FileStream>,
        encoder: GzipEncoder?,
        hasTrailer: Bool,
        record: DownloadRecord,
        reservation: DownloadReservation
    ) {
        self.stream = stream
        self.encoder = encoder
        self.hasTrailer = hasTrailer
        self.record = record
        self.reservation = reservation
    }

    /// Hands the bytes to `sink`, in order, in pieces of at most 512 KiB, and the trailer fields to `finish`.
    ///
    /// Returns only when every byte was taken by `sink`, they are the whole of what was asked for, and `finish` returned:
    /// the upstream ended, and length and SHA-256 are what it and the export's record had announced. The upstream is asked
    /// for no more than `sink` takes, with gzip than the encoder holds for it, so that a slow reader slows the upstream
    /// down. An upstream that breaks off is gone on with, unseen by `sink` (see ``Resumption``).
    ///
    /// Throws what `sink` and `finish` throw (the client is gone), and `DownloadFailure` when the upstream ends early, runs
    /// over, breaks off or stalls for good. Then the connection must be cut, never ended properly: with gzip the trailer
    /// is missing, and an invalid block was given to `breakOff`; with a known length the last piece is missing. The
    /// upstream has been let go by then. A cancelled task is a broken download.
    ///
    /// That it begins has been given to the recipient's `record` before `sink` gets the first byte, and what became of it
    /// when this returns or throws.
    ///
    /// For gzip the work is done on the encoder's own threads, and the upstream is read by a child task while `sink` is
    /// awaited.
    public func write(
        _ sink: (ByteBuffer) async throws -> Void,
        finish: (_ trailers: [(name: String, value: String)]) async throws -> Void,
        breakOff: (ByteBuffer) async -> Void
    ) async throws {
        defer { reservation.release() }
        guard let stream = stream.take() else {
            throw DownloadFailure(.alreadyWritten, "The bytes of this download have been sent already.")
        }
        await record.began()
        let client = ClientEnd(record)
        do {
            if let encoder {
                // They may run at the same time: the one has the stream to itself, the other the client.
                try await encoder.encode(
                    from: { try await stream.next() },
                    to: { try await client.take($0, by: sink) },
                    breakOff: breakOff
                )
            } else {
                while let piece = try await stream.next() { try await client.take(piece, by: sink) }
            }
            let digest = hasTrailer ? stream.sha256 : nil
            try await client.finish(digest.map { [(DigestField.unencoded, DigestField.value($0))] } ?? [], by: finish)
        } catch {
            stream.letGo()
            throw await client.ended(by: error, DownloadProgress(sent: client.sent, stream))
        }
        await record.ended(.whole, DownloadProgress(sent: client.sent, stream))
    }
}

/// Holds a value until its one taker comes.
///
/// Unchecked: the value need not be `Sendable`, and is only ever in one hand. The task that fills this forgets it, and
/// `take` gives it away once.
final class Handover<Value>: @unchecked Sendable {
    private let isTaken = Mutex(false)
    private var value: Value?

    init(_ value: Value) {
        self.value = value
    }

    /// The value, the first time; nil ever after.
    func take() -> Value? {
        let isMine = isTaken.withLock { isTaken in
            defer { isTaken = true }
            return !isTaken
        }
        guard isMine else { return nil }
        defer { value = nil }
        return value
    }
}
