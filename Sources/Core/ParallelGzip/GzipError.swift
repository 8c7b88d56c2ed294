/// Why bytes could not be encoded or decoded.
public struct GzipError: Error, Sendable, Hashable {
    /// The kinds of failure. The raw value is the metric label: never reused for something else.
    public enum Code: String, Sendable, CaseIterable {
        /// There is no memory for the compressor, or no thread.
        case outOfMemory = "out-of-memory"
        /// The compressor reports a state it documents as impossible here.
        case compressorFailed = "compressor-failed"
        /// The bytes to decode are no gzip, or not only that.
        case corrupt = "corrupt"
        /// The bytes to decode end before their member does.
        case truncated = "truncated"
        /// The decoded bytes are more than were allowed.
        case tooLong = "too-long"
        /// The decoded bytes are more, measured by the encoded ones, than were allowed.
        case tooDense = "too-dense"
    }

    public var code: Code
    /// The compressor's own return code; 0 where it is not its failure.
    public var status: Int32

    /// A name without values in it, fit for a metric's dimension.
    public var label: String { code.rawValue }
}
