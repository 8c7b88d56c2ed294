import Exports
public import NIOCore
import StoredZip

/// The bytes of an archive on their way: read once.
///
/// Memory: that of one file (see ``DownloadBody``), whatever their number, and what the central directory says of each.
public struct ArchiveBody: DownloadContent {
    private let archive: Archive
    private let first: Handover<FileStream>
    private let opener: MemberOpener
    private let record: DownloadRecord
    private let reservation: DownloadReservation

    init(
        _ archive: Archive,
        first: Handover<FileStream>,
        opener: MemberOpener,
        record: DownloadRecord,
        reservation: DownloadReservation
    ) {
        self.archive = archive
        self.first = first
        self.opener = opener
        self.record = record
        self.reservation = reservation
    }

    /// Hands the bytes to `sink`, in order, in pieces of at most 512 KiB, and calls `finish` without trailer fields.
    ///
    /// Returns only when every file was sent whole, as `DownloadBody.write` has it for one, and the central directory after
    /// them. A file that breaks for good breaks the archive: it throws, the central directory is never sent, and the
    /// connection must be cut.
    public func write(
        _ sink: (ByteBuffer) async throws -> Void,
        finish: (_ trailers: [(name: String, value: String)]) async throws -> Void
    ) async throws {
        defer { reservation.release() }
        guard let stream = first.take() else {
            throw DownloadFailure(.alreadyWritten, "The bytes of this download have been sent already.")
        }
        var progress = DownloadProgress()
        var clientError: (any Error)?
        var zip = StoredZip()

        func deliver(_ piece: ByteBuffer) async throws {
            do {
                try await sink(piece)
            } catch {
                clientError = error
                throw error
            }
            progress.sent += Int64(piece.readableBytes)
            record.delivered(piece.readableBytes)
        }
        func send(_ member: Archive.Member, _ stream: FileStream) async throws {
            defer {
                stream.letGo()
                progress.add(stream)
            }
            try await deliver(zip.begin(member.entry))
            while let piece = try await stream.next() {
                zip.add(piece)
                try await deliver(piece)
            }
        }

        do {
            var members = archive.members[...]
            if let member = members.popFirst() { try await send(member, stream) }
            for member in members {
                guard let next = try await opener.openedLater(member.file).take() else { continue }
                try await send(member, next)
            }
            while let piece = zip.directory() { try await deliver(piece) }
            if let length = archive.length, progress.sent != length {
                throw DownloadFailure(
                    .endedEarly,
                    "The archive has \(progress.sent) bytes, where \(length) were announced."
                )
            }
            do {
                try await finish([])
            } catch {
                clientError = error
                throw error
            }
        } catch {
            if let clientError {
                await record.ended(.clientLeft(clientError), progress)
                throw clientError
            }
            let failure = DownloadFailure(ending: error, after: progress.given)
            await record.ended(.broke(failure), progress)
            throw failure
        }
        await record.ended(.whole, progress)
    }
}
