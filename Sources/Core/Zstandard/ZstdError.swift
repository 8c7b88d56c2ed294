/// Why bytes could not be encoded.
public struct ZstdError: Error, Sendable, Hashable {
    /// The kinds of failure. The raw value is the metric label: never reused for something else.
    public enum Code: String, Sendable, CaseIterable {
        /// There is no memory for the compressor.
        case outOfMemory = "out-of-memory"
        /// The input has another length than was announced.
        case otherLength = "other-length"
        /// The compressor reports a state it documents as impossible here.
        case compressorFailed = "compressor-failed"
    }

    public var code: Code
    /// libzstd's own number of the error (`ZSTD_ErrorCode`).
    public var status: Int

    /// A name without values in it, fit for a metric's dimension.
    public var label: String { code.rawValue }
}
