import Exports
import NIOCore
import Synchronization

/// A file of which the first bytes have come: what is handed from the task that opened it to the one that sends it.
struct OpenedFile: Sendable {
    var head: FileBody.Head
    /// What the bytes are wrapped in as the upstream sends them.
    var coding: ContentCoding
    /// The length that the upstream or the record announces for the bytes as they come.
    var announced: Int64?
    /// The bytes that have been read; nil when the file is empty.
    var first: ByteBuffer?
    var rest: Handover
}

/// Holds an iterator until its one reader takes it.
///
/// Unchecked: iterators are not `Sendable`, and this one is only ever in one hand. The task that fills it forgets it, and
/// `take` gives it away once.
final class Handover: @unchecked Sendable {
    private let isTaken = Mutex(false)
    private var bytes: VerifiedBytes?

    init(_ bytes: VerifiedBytes) {
        self.bytes = bytes
    }

    /// The iterator, the first time; nil ever after.
    func take() -> VerifiedBytes? {
        let isMine = isTaken.withLock { isTaken in
            defer { isTaken = true }
            return !isTaken
        }
        guard isMine else { return nil }
        defer { bytes = nil }
        return bytes
    }
}

extension DownloadRelay {
    /// Opens the file and reads its first bytes, so that whatever is wrong from the start can still be told.
    static func opened(
        _ file: ExportFile,
        by open: @Sendable () async throws(GatewayError) -> FileBody
    ) async throws(GatewayError) -> OpenedFile {
        let body = try await open()
        let (coding, announced) = try verdict(on: body.head, for: file)
        var bytes = VerifiedBytes(body.bytes.makeAsyncIterator(), announced: announced)
        do {
            let first = try await bytes.next()
            return OpenedFile(
                head: body.head,
                coding: coding,
                announced: announced,
                first: first,
                rest: Handover(bytes)
            )
        } catch {
            if let cause = error.cause as? ProviderError { throw GatewayError(cause) }
            throw broken(error.detail, body.head, cause: error)
        }
    }

    /// What the upstream's header fields make of the body: its coding and its length. Refuses what cannot be the file.
    private static func verdict(
        on head: FileBody.Head,
        for file: ExportFile
    ) throws(GatewayError) -> (ContentCoding, announced: Int64?) {
        if let type = head.contentType, CompressibleTypes.isWebPage(mediaType: type),
            !CompressibleTypes.isWebPage(file)
        {
            throw broken(
                "The upstream sent a web page, most likely its sign-in page, instead of the file: it did not accept the "
                    + "gateway's credentials for this download.",
                head
            )
        }
        if let length = head.contentLength, length < 0 {
            throw broken("The upstream announced a length of \(length) bytes.", head)
        }
        let coding = head.contentEncoding.map { FieldList.trimmed(Substring($0)).lowercased() } ?? ""
        switch coding {
        case "", "identity":
            if let length = head.contentLength, let size = file.size, length != size {
                throw broken(
                    "The upstream announced \(length) bytes, where the export lists the file with \(size).",
                    head
                )
            }
            return (.identity, head.contentLength ?? file.size)
        case "gzip", "x-gzip":
            // The length is that of the encoded bytes; the record's is that of the file.
            return (.gzip, head.contentLength)
        default:
            throw broken("The upstream sent the file in a content coding that was not asked for.", head)
        }
    }

    /// The error for an answer that cannot be used.
    static func broken(_ detail: String, _ head: FileBody.Head, cause: (any Error)? = nil) -> GatewayError {
        GatewayError(
            .upstreamBroken,
            detail,
            upstream: head.requestID.map { UpstreamErrorInfo(requestId: $0) },
            cause: cause
        )
    }
}
