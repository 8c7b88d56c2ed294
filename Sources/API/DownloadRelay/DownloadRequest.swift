import HTTPFields
public import NIOCore
public import ParallelGzip
public import Zstandard

/// A request for a file: the fields that decide on the form of the answer.
public struct DownloadRequest: Sendable {
    /// The methods of a file.
    public enum Method: Sendable {
        case get
        case head
    }

    public var method: Method
    /// `Accept-Encoding`, all field lines joined by `, `; nil when there is none, which is not the same as an empty one.
    public var acceptEncoding: String?
    /// `If-Match`, all field lines joined by `, `.
    public var ifMatch: String?
    /// `If-None-Match`, all field lines joined by `, `.
    public var ifNoneMatch: String?
    /// `Range`, all field lines joined by `, `.
    public var range: String?
    /// `If-Range`.
    public var ifRange: String?
    /// `TE`, all field lines joined by `, `.
    public var te: String?
    /// `Cache-Control`, all field lines joined by `, `.
    public var cacheControl: String?

    /// Makes a request.
    public init(
        method: Method,
        acceptEncoding: String? = nil,
        ifMatch: String? = nil,
        ifNoneMatch: String? = nil,
        range: String? = nil,
        ifRange: String? = nil,
        te: String? = nil,
        cacheControl: String? = nil
    ) {
        self.method = method
        self.acceptEncoding = acceptEncoding
        self.ifMatch = ifMatch
        self.ifNoneMatch = ifNoneMatch
        self.range = range
        self.ifRange = ifRange
        self.te = te
        self.cacheControl = cacheControl
    }

    /// Whether the client accepts trailer fields (RFC 9110, 6.5.1).
    var takesTrailers: Bool {
        te.map { FieldList.elements(of: $0).contains { $0.lowercased() == "trailers" } } ?? false
    }
}

/// The answer to a `DownloadRequest`, ready to be sent.
public struct DownloadResponse: Sendable {
    /// 200, 206 or 304.
    public var status: Int
    /// The fields to send, without `Content-Length` and without hop-by-hop fields.
    public var headers: [(name: String, value: String)]
    /// The `Content-Length` to send; nil where the length is not known beforehand.
    public var contentLength: Int64?
    /// The bytes to send; nil for `HEAD` and 304.
    public var body: (any DownloadContent)?
}

/// The bytes of an answer that is being sent, for a single pass.
public protocol DownloadContent: Sendable {
    /// Passes the bytes to `sink`, in order, and the trailer fields to `finish`. Returns when all were sent, and throws when
    /// they cannot be sent completely. The connection must then be broken off.
    ///
    /// Before it throws, `breakOff` may get last bytes, at most 512 KiB. They make the break visible even to a client that does
    /// not see how the connection ends. They must follow what `sink` took, and must be sent before the connection is broken
    /// off. `breakOff` is called at most once, not when the client has left, and also in a cancelled task: it must end soon,
    /// whatever the client does. A `sink` that throws `CancellationError` has not taken its piece.
    func write(
        _ sink: (ByteBuffer) async throws -> Void,
        finish: (_ trailers: [(name: String, value: String)]) async throws -> Void,
        breakOff: (ByteBuffer) async -> Void
    ) async throws
}

/// The settings of the relay.
public struct RelaySettings: Sendable, Hashable {
    /// The effort of gzip; nil where it is not offered.
    public var gzip: GzipLevel?
    /// The effort of zstd; nil where it is not offered.
    public var zstd: ZstdLevel?
    /// How many threads compress, for all downloads together; nil for one on each core.
    public var gzipThreads: Int?
    /// Files that are known to be shorter, in bytes, are not encoded: framing and work would cost more than is gained.
    public var minimumGzipSize: Int
    /// The longest time from the request to the first byte of the file, including all calls upstream.
    public var firstByteTimeout: Duration

    /// Where the upstream serves no parts, a part is served by reading and skipping what lies before it, if that is not more
    /// than this many bytes. Otherwise the whole file is sent.
    public var rangeSkipLimit: Int64 = 1 << 30
    /// The most attempts in a row to resume when the upstream broke off, with less than a mebibyte between them; 0 for none.
    public var resumeAttempts = 6
    /// Downloads of one caller at a time; the default lets five hundred clients of one caller through at once.
    public var perCaller = 512

    /// Makes settings; the defaults fit most uses.
    public init(
        gzip: GzipLevel? = .adaptive,
        zstd: ZstdLevel? = .fast,
        gzipThreads: Int? = nil,
        minimumGzipSize: Int = 1024,
        firstByteTimeout: Duration = .seconds(60)
    ) {
        self.gzip = gzip
        self.zstd = zstd
        self.gzipThreads = gzipThreads
        self.minimumGzipSize = minimumGzipSize
        self.firstByteTimeout = firstByteTimeout
    }
}
