import Exports
import Logging
import NIOCore
import ParallelGzip
import SystemCrypto

/// The plain bytes of one file, or of a part of it, for one reader. It resumes when the upstream breaks off, compares the bytes
/// with every known length and digest, and hashes them.
///
/// The piece that completes the file is held back until the upstream has ended. Otherwise a client would have everything that
/// `Content-Length` announces before it is known that the upstream sends too much, or that the digest is wrong.
///
/// Memory: one piece of the upstream's bytes. Not `Sendable`: read it from one task at a time.
final class FileStream {
    /// What the first answer says, and the record's length where the answer has none.
    let facts: FileFacts
    /// The part that is read; nil for the whole file.
    let part: FilePart?
    /// The id under which the upstream's support finds the first call.
    let requestID: String?
    /// How often the upstream broke off and the stream was resumed.
    private(set) var resumptions = 0
    /// How many bytes of the file `next` has returned.
    private(set) var given: Int64 = 0
    /// How many bytes upstreams have sent in all, encoded, including those that were read twice.
    var received: Int64 { receivedBefore + (bytes?.received ?? 0) }
    /// The digest of the whole file, once it has been read from its first byte to its last and has the expected digest.
    private(set) var sha256: [UInt8]?
    /// The reading of the file: evidence for or against the claims of the record.
    private(set) var reading: FileReading?

    private let source: FileSource
    private let rules: ReopeningRules
    private let reporting: DownloadReporting
    private var format: FormatCheck?
    /// Whether the length is only a claim of the record.
    private let isSizeClaimed: Bool
    /// Where the upstream has ended properly, before the expected length.
    private var earlyEnd: Int64?
    private var resumption: Resumption
    private var bytes: PlainBytes?
    private var receivedBefore: Int64 = 0
    /// The place in the file of the next byte of `bytes`.
    private var cursor: Int64
    /// The place in the file after all bytes that were ever read.
    private var position: Int64
    /// The hash of the bytes from where reading began to `position`.
    private var hash = SHA256()
    /// The CRC-32 of the same bytes.
    private var checksum = CRC32()
    /// The hash of the bytes from where reading began to `cursor`, while they are read again.
    private var proof: SHA256?
    private var piece = ByteBuffer()
    private var isOver = false

    /// Reads `body`, which begins at `start` in the file; for a part, at or before it.
    ///
    /// - Parameter told: The facts in `body`'s head.
    init(
        _ source: FileSource,
        _ body: FileBody,
        told: FileFacts,
        part: FilePart?,
        rules: ReopeningRules,
        reporting: DownloadReporting
    ) throws(DownloadFailure) {
        let start = body.head.range?.first ?? 0
        self.source = source
        let facts = FileFacts(told, or: source.file.size)
        self.facts = facts
        isSizeClaimed = told.size == nil && facts.size != nil
        self.part = part
        self.rules = rules
        self.reporting = reporting
        requestID = body.head.requestID
        format = start == 0 ? FileFormat(source.file).map { FormatCheck($0, mediaType: body.head.contentType) } : nil
        bytes = try PlainBytes(body, coding: ContentCoding(upstream: body.head.contentEncoding) ?? .identity)
        cursor = start
        position = start
        let last = part.flatMap { $0.last < $0.size - 1 ? $0.last : nil }
        resumption = Resumption(origin: start, last: last, facts: facts, limits: rules.limits)
    }

    /// Reads enough first bytes to check the file's format, so that an error at the start can still be answered.
    func begin() async throws(DownloadFailure) {
        do throws(DownloadFailure) {
            while var fresh = try await step() {
                if piece.readableBytes == 0 { piece = fresh } else { piece.writeBuffer(&fresh) }
                if format?.isSettled ?? true { return }
            }
        } catch {
            letGo()
            throw error
        }
    }

    /// The next bytes, never empty, at most 512 KiB. Nil when everything that was requested has been returned and is correct.
    ///
    /// After nil and after a failure, the upstream's connection has been closed.
    func next() async throws(DownloadFailure) -> ByteBuffer? {
        do throws(DownloadFailure) {
            while piece.readableBytes == 0 {
                guard let fresh = try await step() else { return nil }
                piece = fresh
            }
            let next = piece.readSlice(length: min(piece.readableBytes, PlainBytes.largestPiece))
            given += Int64(next?.readableBytes ?? 0)
            return next
        } catch {
            letGo()
            throw error
        }
    }

    /// Closes the upstream's connection. Nothing more is returned.
    func letGo() {
        close()
        piece = ByteBuffer()
    }

    private func close() {
        receivedBefore = received
        bytes = nil
        isOver = true
    }

    /// Reads one piece from the upstream. Returns the bytes that belong to the part, which may be none yet.
    private func step() async throws(DownloadFailure) -> ByteBuffer? {
        guard !isOver else { return nil }
        guard var fresh = try await pull() else {
            close()
            return nil
        }
        if let part {
            let start = position - Int64(fresh.readableBytes)
            let ahead = min(max(0, part.first - start), Int64(fresh.readableBytes))
            fresh.moveReaderIndex(forwardBy: Int(ahead))
            let behind = min(max(0, position - part.last - 1), Int64(fresh.readableBytes))
            fresh.moveWriterIndex(to: fresh.writerIndex - Int(behind))
        }
        if position == facts.size {
            // The last piece is held back while this reads on: it throws if more bytes come, or if the digest is wrong.
            while try await pull() != nil {}
            close()
        } else if let part, position > part.last {
            close()
        }
        return fresh
    }

    /// The bytes after `position`, counted and hashed; nil when the upstream has ended at the expected place.
    private func pull() async throws(DownloadFailure) -> ByteBuffer? {
        while bytes != nil {
            do throws(DownloadFailure) {
                if var fresh = try await bytes?.next() {
                    if cursor < position { try prove(&fresh) }
                    guard fresh.readableBytes > 0 else { continue }
                    try take(fresh)
                    return fresh
                }
                if cursor < position || facts.size.map({ cursor < $0 }) ?? false { throw endedEarly() }
                earlyEnd = nil
                try finish()
                return nil
            } catch {
                guard error.isRetryable, !endsEarlyAgain(error) else { throw error }
                // The connection broke after the last byte, so nothing is missing.
                if try isKnownToBeWhole() { return nil }
                try await goOn(after: error)
            }
        }
        return nil
    }

    private func take(_ fresh: ByteBuffer) throws(DownloadFailure) {
        let count = fresh.readableBytes
        if let size = facts.size, position + Int64(count) > size {
            if isSizeClaimed {
                reading = FileReading(of: source.file, size: nil, sha256: nil, isDelivered: false)
            }
            throw ranOver(size, by: count)
        }
        // The file goes on after a place where an earlier answer ended, so that reading was wrong.
        reading = nil
        if let fault = format?.add(fresh.readableBytesView) { throw wrong(fault) }
        fresh.withUnsafeReadableBytes { bytes in
            hash.update(bytes)
            checksum.update(bytes)
        }
        position += Int64(count)
        cursor = position
    }

    /// All bytes have come: compares them with the expected length and digest.
    private func finish() throws(DownloadFailure) {
        if let fault = format?.finish() { throw wrong(fault) }
        guard resumption.origin == 0, sha256 == nil else { return }
        let digest = hash.digestSoFar()
        let isRight = isExpected(digest) ?? true
        note(digest, isDelivered: isRight)
        guard isRight else {
            throw DownloadFailure(
                .digestMismatch,
                "The \(position) bytes that the upstream sent have another SHA-256 than the file in the export's record."
            )
        }
        sha256 = digest
    }

    private func isKnownToBeWhole() throws(DownloadFailure) -> Bool {
        guard position == facts.size, resumption.origin == 0, isExpected(hash.digestSoFar()) == true else {
            return false
        }
        try finish()
        return true
    }

    /// Whether the record has this digest; nil when it has none.
    private func isExpected(_ digest: [UInt8]) -> Bool? {
        source.file.sha256.map { Hexadecimal.encode(digest) == $0.lowercased() }
    }

    private func note(_ digest: [UInt8], isDelivered: Bool) {
        reading = FileReading(
            of: source.file,
            size: position,
            sha256: Hexadecimal.encode(digest),
            isDelivered: isDelivered
        )
        reading?.crc32 = checksum.value
    }

    /// Whether the upstream has ended properly at the same place twice. Then it will not send more, and the length that the
    /// record claims is wrong.
    private func endsEarlyAgain(_ failure: DownloadFailure) -> Bool {
        guard failure.code == .endedEarly, isSizeClaimed, cursor == position, resumption.origin == 0,
            bytes?.hasEnded == true
        else { return false }
        note(hash.digestSoFar(), isDelivered: false)
        defer { earlyEnd = position }
        return earlyEnd == position
    }

    private func endedEarly() -> DownloadFailure {
        DownloadFailure(
            .endedEarly,
            "The upstream sent \(cursor) of \(facts.size ?? position) bytes."
        )
    }

    private func ranOver(_ size: Int64, by count: Int) -> DownloadFailure {
        DownloadFailure(
            .ranOver,
            "The upstream sent \(position + Int64(count)) bytes and more, where \(size) had been announced."
        )
    }

    private func wrong(_ fault: String) -> DownloadFailure {
        DownloadFailure(.wrongFormat, fault)
    }
}

// Resuming after the upstream broke off.
extension FileStream {
    /// Removes from `fresh` the bytes that were read before, and throws unless they are the same.
    private func prove(_ fresh: inout ByteBuffer) throws(DownloadFailure) {
        let count = Int(min(Int64(fresh.readableBytes), position - cursor))
        guard var again = fresh.readSlice(length: count) else { return }
        let ahead = min(max(0, resumption.origin - cursor), Int64(count))
        again.moveReaderIndex(forwardBy: Int(ahead))
        again.withUnsafeReadableBytes { proof?.update($0) }
        cursor += Int64(count)
        guard cursor == position else { return }
        guard proof?.digestSoFar() == hash.digestSoFar() else { throw changed() }
        proof = nil
        resumed(.proof)
    }

    /// Resumes after the upstream broke off; throws when that is not possible.
    private func goOn(after failure: DownloadFailure) async throws(DownloadFailure) {
        receivedBefore = received
        bytes = nil
        proof = nil
        var step = resumption.brokeOff(at: position, isRetryable: true)
        while case .reopen(let range, let wait) = step {
            do {
                try await rules.pause(wait)
            } catch {
                throw DownloadFailure(.cancelled, "The download was cancelled after \(position) bytes.", cause: error)
            }
            switch await reopened(range) {
            case .success(let body):
                if try accept(body) { return }
                step = resumption.brokeOff(at: position, isRetryable: true)
            case .failure(let error) where range != nil && error.isRangeRefusal:
                resumption.partWasRefused()
                step = resumption.brokeOff(at: position, isRetryable: true)
            case .failure(let error):
                step = resumption.brokeOff(
                    at: position,
                    isRetryable: error.isWorthAnotherTry,
                    retryAfter: error.retryAfter
                )
            }
        }
        throw failure
    }

    private func reopened(_ range: FileRange?) async -> Result<FileBody, GatewayError> {
        let open = source.open
        do throws(GatewayError) {
            return .success(
                try await rules.firstByte.within { () async throws(GatewayError) in try await open(range) }
            )
        } catch {
            return .failure(error)
        }
    }

    /// Whether `body` has the rest, or may have it.
    private func accept(_ body: FileBody) throws(DownloadFailure) -> Bool {
        guard !source.isWebPage(body.head) else { return false }
        switch resumption.answered(body.head, at: position) {
        case .refuse:
            return false
        case .changed:
            throw changed()
        case .goOn:
            cursor = position
            resumed(.range)
        case .prove(let start):
            cursor = start
            if cursor == position { resumed(.proof) } else { proof = SHA256() }
        }
        bytes = try PlainBytes(body, coding: ContentCoding(upstream: body.head.contentEncoding) ?? .identity)
        return true
    }

    private func changed() -> DownloadFailure {
        DownloadFailure(
            .upstreamChanged,
            "The upstream broke off after \(position) bytes, and the file that it has now is another one."
        )
    }

    private func resumed(_ way: ResumptionWay) {
        resumptions += 1
        reporting.resumed(way, source, at: position)
    }
}
