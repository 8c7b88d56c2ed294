/// What happens to a download that somebody watches.
public enum DownloadEvent: Sendable, Hashable {
    /// It begins, or goes on with what an earlier run left.
    case began(from: Int64, total: Int64?)
    /// So many bytes of the file are there, of so many where that is known by now.
    case reached(Int64, total: Int64?)
    /// It broke off and goes on after a pause.
    case broke(reason: String, at: Int64, pause: Duration)
    /// It is whole and has its name.
    case completed(DownloadedFile)
}

/// A file that was downloaded.
public struct DownloadedFile: Sendable, Hashable {
    public var file: GatewayFile
    public var path: String
    public var bytes: Int64
    /// Of the bytes as they were written, in lower-case hexadecimal.
    public var sha256: String
    /// How many bytes came over the network.
    public var fetched: Int64
    public var check: Check

    /// What says that the file is whole.
    public enum Check: String, Sendable, Hashable {
        /// Its SHA-256 is the one that came with it, or that stands in the export's record.
        case digest
        /// The gateway's record of this delivery has its SHA-256, and says that it is whole.
        case delivery
        /// It came in parts of one strong validator that add up to the length of the whole file; no digest is known of it.
        case validator
        /// Nothing: `takesUnverifiedFiles` is set.
        case none
    }
}
