import HTTPFields
import Exports

/// The source of a file's bytes, which can be opened any number of times.
struct FileSource: Sendable {
    var file: ExportFile
    var export: ExportID
    /// Opens the file, or the part of it. Download links are requested each time.
    var open: @Sendable (FileRange?) async throws(GatewayError) -> FileBody
}

extension FileSource {
    /// The fault of an answer by its head: an unknown coding, or a web page instead of the file.
    func fault(of head: FileBody.Head) -> String? {
        if isWebPage(head) {
            return "The upstream sent a web page, most likely its sign-in page, instead of the file: it did not accept "
                + "the gateway's credentials for this download."
        }
        if let length = head.contentLength, length < 0 {
            return "The upstream announced a length of \(length) bytes."
        }
        guard ContentCoding(upstream: head.contentEncoding) != nil else {
            return "The upstream sent the file in a content coding that was not asked for."
        }
        return nil
    }

    /// Whether a web page came that is not the file.
    func isWebPage(_ head: FileBody.Head) -> Bool {
        guard let type = head.contentType else { return false }
        return CompressibleTypes.isWebPage(mediaType: type) && !CompressibleTypes.isWebPage(file)
    }

    /// What the head alone says about the file.
    func facts(in head: FileBody.Head) -> FileFacts {
        FileFacts(
            size: Self.size(in: head),
            validator: head.validator,
            servesRanges: head.servesRanges || head.range != nil
        )
    }

    /// The length of the whole file by the head, where it differs from the record.
    func otherSize(in head: FileBody.Head) -> Int64? {
        guard let size = file.size else { return nil }
        if let told = Self.size(in: head) { return told == size ? nil : told }
        // The part ends beyond the size in the record.
        if let last = head.range?.last, last >= size { return last + 1 }
        return nil
    }

    /// The same source without the claims of the record. What is confirmed stays.
    var unclaimed: FileSource {
        var source = self
        source.file.size = nil
        source.file.sizeSource = nil
        source.file.sizeState = nil
        guard file.digestState != .confirmed else { return source }
        source.file.sha256 = nil
        source.file.digestSource = nil
        source.file.digestState = nil
        return source
    }

    /// The length of the whole file, by the head of an answer that is not encoded.
    private static func size(in head: FileBody.Head) -> Int64? {
        guard ContentCoding(upstream: head.contentEncoding) == .identity else { return nil }
        guard let range = head.range else { return head.contentLength }
        return range.completeLength
    }
}

extension ContentCoding {
    /// Reads an upstream's `Content-Encoding`; nil for one that was not asked for and cannot be undone.
    init?(upstream field: String?) {
        switch field.map({ FieldList.trimmed($0).lowercased() }) ?? "" {
        case "", "identity": self = .identity
        case "gzip", "x-gzip": self = .gzip
        default: return nil
        }
    }
}

extension GatewayError {
    /// Whether opening failed for now only, so that it may succeed later.
    var isWorthAnotherTry: Bool {
        if let cause = cause as? ProviderError { return cause.isRetryable }
        return [.upstreamUnavailable, .upstreamTimeout, .upstreamThrottled, .upstreamBusy].contains(code)
    }

    /// Whether the upstream answered that the requested part lies beyond the file's end (416).
    var isRangeRefusal: Bool { (cause as? ProviderError)?.code == .invalid }
}
