public import NIOCore

import Exports
import Synchronization

/// The bytes of a file that is being sent, for a single pass.
///
/// Memory: one piece of the upstream's bytes, and with a coding the encoder's constant (see `GzipEncoder`, `ZstdEncoder`), whatever the length.
public struct DownloadBody: DownloadContent {
    private let stream: Handover<FileStream>
    /// Nil when the bytes are sent without a coding.
    private let encoder: DownloadEncoder?
    /// Whether the digest is announced as a trailer field.
    private let hasTrailer: Bool
    private let record: DownloadRecord
    private let reservation: DownloadReservation

    init(
        _ stream: Handover<FileStream>,
        encoder: DownloadEncoder?,
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

    /// Passes the bytes to `sink`, in order, in pieces of at most 512 KiB, and the trailer fields to `finish`.
    ///
    /// Returns only when `sink` has taken every byte, the bytes are all that was requested, and `finish` has returned: the
    /// upstream has ended, and length and SHA-256 are those that the upstream and the export's record had announced. Only as
    /// much is read from the upstream as `sink` takes (with a coding, as the encoder holds for it), so that a slow reader slows the
    /// upstream down. When the upstream breaks off, the download is resumed, unseen by `sink` (see ``Resumption``).
    ///
    /// Throws what `sink` and `finish` throw (the client has left), and `DownloadFailure` when the upstream ends early, sends
    /// too much, breaks off or stalls for good. The connection must then be broken off, never ended properly. With a coding, the
    /// end of the encoding is missing and an invalid block was passed to `breakOff`; with a known length, the last piece is missing. The
    /// upstream's connection has been closed by then. A cancelled task counts as a broken download.
    ///
    /// The recipient's `record` gets the beginning before `sink` gets the first byte, and the outcome before this returns or
    /// throws.
    ///
    /// With a coding, the threads that compress do the work, and a child task reads the upstream while `sink` is awaited.
    public func write(
        _ sink: (ByteBuffer) async throws -> Void,
        finish: (_ trailers: [(name: String, value: String)]) async throws -> Void,
        breakOff: (ByteBuffer) async -> Void
    ) async throws {
        defer { reservation.release() }
        guard let stream = stream.take() else {
            throw DownloadFailure(.alreadyWritten, "The bytes of this download have been sent already.")
        }
        do {
            try await record.began()
        } catch {
            stream.letGo()
            throw error
        }
        let client = ClientEnd(record)
        do {
            if let encoder {
                // These closures may run at the same time: the first one uses only the stream, the second one only the client.
                try await encoder.encode(
                    length: stream.facts.size,
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

/// Holds a value until it is taken, once.
///
/// Unchecked: the value need not be `Sendable`, because only one task uses it at a time. The task that puts it here keeps no
/// reference to it, and `take` returns it once.
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
