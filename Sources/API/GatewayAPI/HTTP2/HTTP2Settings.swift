import NIOCore
import NIOHTTP2

/// The limits of HTTP/2 (RFC 9113) on the gateway's own port, and whether it is taken in plain text.
///
/// With TLS, `TLSSettings.offersHTTP2` decides.
public struct HTTP2Settings: Sendable {
    /// Whether a connection in plain text may begin with HTTP/2 ("prior knowledge", RFC 9113, 3.3), as proxies do where they are
    /// configured for `h2c`. It is for the operator to say, because nobody else needs it.
    public var takesPriorKnowledge = false
    /// The most streams that one connection may have open at a time, also with what is still done for streams that its client has
    /// reset. One more is refused (`REFUSED_STREAM`), and nothing was done for it. At least 100 (RFC 9113, 6.5.2): clients open as many
    /// before they know.
    public var streamsPerConnection = 100
    /// The most streams of all connections together. One more is refused.
    public var maximumStreams = 1_024
    /// The bytes of a request's body that a client may send before anybody reads them. At least 65,535: clients send as many before they
    /// know.
    public var window = 65_535
    /// The most streams that the client of one connection may reset in ``resetPeriod``. One more ends the connection. As many as
    /// nghttp2 takes (https://nghttp2.org/documentation/nghttp2_option_set_stream_reset_rate_limit.html).
    public var resets = 1_000
    /// How many frames may come that bring nothing on. Requests and bytes of answers allow for more of them; see `FrameAllowance`.
    public var framesWithoutProgress = 1_000

    /// The time in which resets, control frames and faulty requests are counted.
    static let resetPeriod = TimeAmount.seconds(30)

    /// Settings with all limits at their defaults.
    public init() {}

    /// The settings of NIO's HTTP/2.
    ///
    /// Bounded by NIO: frames that continue a head (5 in a row), control frames (`PING`, `SETTINGS`, `PRIORITY`: 1,000 in 30 seconds),
    /// faulty requests (200 in 30 seconds), frames of data without data (1 in a row), and answers to control frames that the client
    /// does not take (1,000).
    func configuration(_ limits: RequestLimits) -> NIOHTTP2Handler.Configuration {
        var connection = NIOHTTP2Handler.ConnectionConfiguration()
        connection.initialSettings = [
            // `AnnouncedStreams` tells the client fewer. NIO would end the connection, and all that is under way, for one stream more
            // than this. Some clients, such as Envoy, open more before they have read the settings.
            HTTP2Setting(parameter: .maxConcurrentStreams, value: AnnouncedStreams.unbounded),
            HTTP2Setting(parameter: .maxHeaderListSize, value: limits.largestHeaderList),
            HTTP2Setting(parameter: .initialWindowSize, value: window),
        ]
        connection.maximumBufferedControlFrames = 1_000
        // Go sends a `PING` with a reset, and a proxy in Go resets a stream for each client that leaves.
        connection.controlFrameRateLimit.maximumCount = 1_000
        connection.controlFrameRateLimit.windowLength = Self.resetPeriod
        // What a client had sent before it heard of a reset must not end the connection.
        connection.maximumRecentlyResetStreams = 256
        // Counted for as long as the connection lasts, which is for ever behind a proxy. The rate is limited too.
        connection.maximumConnectionGlitches = .max
        var stream = NIOHTTP2Handler.StreamConfiguration()
        stream.targetWindowSize = window
        stream.streamResetFrameRateLimit.maximumCount = resets
        stream.streamResetFrameRateLimit.windowLength = Self.resetPeriod
        return NIOHTTP2Handler.Configuration(connection: connection, stream: stream)
    }
}

extension RequestLimits {
    /// The most bytes of a head as HTTP/2 counts them, 32 for each field beside its text (RFC 9113, 6.5.2): whatever is within the
    /// limits fits, and what is somewhat larger can still be answered. More ends the connection.
    var largestHeaderList: Int { maxHeaderBytes + maxTargetBytes + 32 * (maxHeaderFields + 8) }
}
