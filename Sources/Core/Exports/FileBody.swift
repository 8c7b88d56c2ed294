public import NIOCore

/// A file as it comes from the upstream: a head, and bytes that are read once, as fast as the reader takes them.
public struct FileBody: Sendable {
    /// What the upstream says about the bytes.
    public struct Head: Sendable, Hashable {
        /// The upstream's `Content-Type`, verbatim.
        public var contentType: String?
        /// The upstream's `Content-Length`; the body throws if it brings fewer or more bytes.
        public var contentLength: Int64?
        /// The upstream's `Content-Encoding`, when the bytes are not the file itself.
        public var contentEncoding: String?
        /// The part of the file that the bytes are; nil when they are the whole file.
        public var range: ContentRange?
        /// The upstream's `ETag`, verbatim, if it is strong: it stays the same as long as the file's bytes do. Sent back with
        /// ``FileRange/validator``.
        public var validator: String?
        /// Whether the upstream says that it serves parts of this file (`Accept-Ranges: bytes`, or a 206).
        public var servesRanges: Bool
        /// The id under which the upstream's support finds the call.
        public var requestID: String?

        /// Makes a head.
        public init(
            contentType: String? = nil,
            contentLength: Int64? = nil,
            contentEncoding: String? = nil,
            range: ContentRange? = nil,
            validator: String? = nil,
            servesRanges: Bool = false,
            requestID: String? = nil
        ) {
            self.contentType = contentType
            self.contentLength = contentLength
            self.contentEncoding = contentEncoding
            self.range = range
            self.validator = validator
            self.servesRanges = servesRanges
            self.requestID = requestID
        }
    }

    public var head: Head

    /// The bytes, for a single pass. Throws `ProviderError` when the upstream breaks off, stalls, or sends another length than it
    /// announced; the bytes until then are not the file. Releasing the iterator closes the upstream's connection.
    public var bytes: any AsyncSequence<ByteBuffer, any Error> & Sendable

    /// Makes a body.
    public init(head: Head, bytes: any AsyncSequence<ByteBuffer, any Error> & Sendable) {
        self.head = head
        self.bytes = bytes
    }
}
