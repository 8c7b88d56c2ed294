public import NIOCore

/// Decodes gzip (RFC 1952): one member, or several in a row. The memory is constant, whatever the length.
///
/// zlib checks headers, checksums and lengths. The decoded bytes are passed on in pieces of at most ``chunkSize``, so that a small
/// input that expands a thousandfold does not fill the memory; ``Limits`` stop it before it fills a disk.
///
/// Processor time: the work is done by the task that calls, in slices of at most 64 KiB of output; after each, the task
/// lets others run. Call it from an ordinary task, not from one that runs on an event loop.
public struct GzipDecoder: Sendable {
    /// The most bytes that `sink` gets at once.
    public static let chunkSize = 64 << 10

    /// Limits that end the decoding of valid bytes.
    public struct Limits: Sendable, Hashable {
        /// The most decoded bytes; nil for any number.
        public var length: Int64?
        /// The most decoded bytes for each encoded one, over all that was read so far; nil for any. Deflate cannot do more
        /// than 1032, text is at 3 to 20, and rows that repeat are at 100 and more.
        public var ratio: Int?
        /// The ratio is checked only beyond this many decoded bytes: a small file that repeats one letter is not an attack.
        public var ratioThreshold: Int64

        /// Makes limits; without arguments there are none.
        public init(length: Int64? = nil, ratio: Int? = nil, ratioThreshold: Int64 = 1 << 20) {
            self.length = length
            self.ratio = ratio
            self.ratioThreshold = ratioThreshold
        }
    }

    private let limits: Limits

    /// Makes a decoder; it may be used any number of times, at once too.
    public init(limits: Limits = Limits()) {
        self.limits = limits
    }

    /// Decodes what `next` gives until it gives nil, and hands the plain bytes to `sink`, in order.
    ///
    /// Returns when at least one whole member was decoded and nothing but whole members followed it. Throws `GzipError`
    /// with `corrupt` for bytes that are no gzip, fail their checksum, or follow a member without being one; `truncated`
    /// when they end early; `tooLong` and `tooDense` before `sink` gets the first piece beyond a limit. When `next` or
    /// `sink` throws, or the task is cancelled, that error comes out.
    public func decode(
        from next: () async throws -> ByteBuffer?,
        to sink: (ByteBuffer) async throws -> Void
    ) async throws {
        let gunzip = try Gunzip(limits: limits)
        while var piece = try await next() {
            while let output = try gunzip.decode(&piece) {
                try Task.checkCancellation()
                try await sink(output)
                await Task.yield()
            }
            try Task.checkCancellation()
        }
        try gunzip.finish()
    }
}
