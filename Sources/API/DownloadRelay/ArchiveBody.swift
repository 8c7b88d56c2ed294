import Exports
public import NIOCore
import StoredZip

/// The bytes of an archive that is being sent, for a single pass.
///
/// Memory: that of one file (see ``DownloadBody``), whatever the number of files, and the entry of each in the central directory.
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

    /// Passes the bytes to `sink`, in order, in pieces of at most 512 KiB, and calls `finish` without trailer fields.
    ///
    /// Returns only when every file was sent whole, as `DownloadBody.write` defines it, and the central directory after them. A
    /// file that breaks off for good breaks the archive: this throws, the central directory is never sent, and the connection
    /// must be broken off. `breakOff` is not called, because no reader accepts an archive without its directory.
    public func write(
        _ sink: (ByteBuffer) async throws -> Void,
        finish: (_ trailers: [(name: String, value: String)]) async throws -> Void,
        breakOff: (ByteBuffer) async -> Void
    ) async throws {
        defer { reservation.release() }
        guard let stream = first.take() else {
            throw DownloadFailure(.alreadyWritten, "The bytes of this download have been sent already.")
        }
        do {
            try await record.began()
        } catch {
            stream.letGo()
            throw error
        }
        let client = ClientEnd(record)
        var progress = DownloadProgress()
        var zip = StoredZip()

        func send(_ member: Archive.Member, _ stream: FileStream) async throws {
            defer {
                stream.letGo()
                progress.add(stream)
            }
            try await client.take(zip.begin(member.entry, content: member.content), by: sink)
            do {
                while let piece = try await stream.next() {
                    zip.add(piece)
                    try await client.take(piece, by: sink)
                }
                guard zip.isAsTold else {
                    // The reading of the stream corrects the record.
                    throw DownloadFailure(
                        .digestMismatch,
                        "The file \(member.file.id) has another CRC-32 than its header in the archive."
                    )
                }
            } catch let failure as DownloadFailure where [.endedEarly, .ranOver].contains(failure.code) {
                opener.discardFacts(of: member.file)
                throw failure
            }
        }

        do {
            var members = archive.members[...]
            if let member = members.popFirst() { try await send(member, stream) }
            for member in members {
                switch try await opener.openedLater(member.file) {
                case .stream(let handover, let now):
                    guard let next = handover.take() else { continue }
                    guard archive.length != nil, now.size != member.file.size, let size = next.facts.size else {
                        try await send(member, next)
                        continue
                    }
                    // The announced length of the archive is wrong.
                    next.letGo()
                    opener.discardFacts(of: member.file)
                    progress.add(FileReading(of: member.file, size: size, sha256: nil, isDelivered: false))
                    throw DownloadFailure.otherSize(size, of: member.file)
                case .contradicted(let failure, let reading):
                    progress.add(reading)
                    throw failure
                }
            }
            while let piece = zip.directory() { try await client.take(piece, by: sink) }
            if let length = archive.length, client.sent != length {
                throw DownloadFailure(
                    .endedEarly,
                    "The archive has \(client.sent) bytes, where \(length) were announced."
                )
            }
            try await client.finish(by: finish)
        } catch {
            progress.sent = client.sent
            throw await client.ended(by: error, progress)
        }
        progress.sent = client.sent
        await record.ended(.whole, progress)
    }
}
