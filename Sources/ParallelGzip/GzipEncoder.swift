public import NIOCore

/// Encodes a stream of bytes as one gzip member (RFC 1952), with a constant of memory whatever the length.
///
/// - Memory: about 268 KiB of the compressor's own (zlib: window 2^17 and hash chains 2^17 bytes), taken with the first
///   bytes and given back when `encode` ends in whatever way, one chunk of output of at most ``chunkSize`` bytes, and the
///   one piece of input that is being worked on.
/// - Determinism: the same bytes at the same level give the same output, however they are cut into pieces. The header
///   holds no name, no time and no operating system.
/// - Processor time: the work is done by the task that calls, in slices of at most 64 KiB of input; after each, the task
///   lets others run. Call it from an ordinary task. A task whose executor is an event loop would hold up that loop for
///   one or two milliseconds with each slice.
public struct GzipEncoder: Sendable {
    /// The most bytes that `sink` gets at once.
    public static let chunkSize = 64 << 10

    /// The effort, 1 (fast) to 9 (small).
    public let level: Int

    /// Makes an encoder; it may be used any number of times, at once too. A level outside 1…9 counts as the nearest.
    public init(level: Int) {
        self.level = min(max(level, 1), 9)
    }

    /// Encodes what `next` gives until it gives nil, and hands the encoded bytes to `sink`, in order.
    ///
    /// Each call of `next` and `sink` is awaited before the next one: a slow reader slows the source down.
    /// Returns after the last byte of a complete member was taken by `sink`; no input at all is a valid member of
    /// 20 bytes. When `next` or `sink` throws, or the task is cancelled, that error comes out and nothing more is
    /// handed over: what `sink` got until then lacks the trailer, so that no reader takes it for whole.
    ///
    /// Throws `GzipError` when there is no memory for the compressor.
    public func encode(
        from next: () async throws -> ByteBuffer?,
        to sink: (ByteBuffer) async throws -> Void
    ) async throws {
        var input = try await next()
        let member = try GzipMember(level: level)
        var output = ByteBuffer()
        output.reserveCapacity(Self.chunkSize)
        member.begin(&output)
        while var piece = input {
            while piece.readableBytes > 0 {
                try Task.checkCancellation()
                try member.deflate(&piece, into: &output)
                if output.readableBytes == Self.chunkSize {
                    try await sink(output)
                    output.clear(minimumCapacity: Self.chunkSize)
                }
                await Task.yield()
            }
            input = try await next()
        }
        while try !member.end(&output) {
            try await sink(output)
            output.clear(minimumCapacity: Self.chunkSize)
        }
        try await sink(output)
    }
}

/// Why bytes could not be encoded or decoded.
public struct GzipError: Error, Sendable, Hashable {
    /// The kinds of failure. The raw value is the metric label: never reused for something else.
    public enum Code: String, Sendable, CaseIterable {
        /// There is no memory for the compressor.
        case outOfMemory = "out-of-memory"
        /// zlib reports a state it documents as impossible here.
        case compressorFailed = "compressor-failed"
        /// The bytes to decode are no gzip, or not only that.
        case corrupt = "corrupt"
        /// The bytes to decode end before their member does.
        case truncated = "truncated"
    }

    public var code: Code
    /// zlib's own return code.
    public var status: Int32

    /// A name without values in it, fit for a metric's dimension.
    public var label: String { code.rawValue }
}
