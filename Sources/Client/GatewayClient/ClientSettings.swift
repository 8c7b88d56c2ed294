/// The limits of a client. Everything that waits or grows has one.
public struct ClientSettings: Sendable {
    /// For a connection, TLS included.
    public var connectTimeout: Duration = .seconds(10)
    /// The longest silence of the gateway while an answer is awaited or read. Longer than `longestHold`.
    public var silenceTimeout: Duration = .seconds(90)
    /// How long one `Prefer: wait` asks the gateway to hold its answer back; the gateway allows 60 seconds.
    public var longestHold: Duration = .seconds(50)
    /// How often a call, or a download that got no further, is tried again before its error is thrown.
    public var retries = 4
    /// The pause before the first of them; each one after it is twice as long, up to `longestPause`, less a random part.
    public var firstPause: Duration = .milliseconds(500)
    public var longestPause: Duration = .seconds(30)
    /// The longest `Retry-After` that is waited for; a gateway that asks for more has refused the call.
    public var longestRetryAfter: Duration = .seconds(300)
    /// The most bytes of an answer that is not a file.
    public var longestAnswer = 64 << 20
    /// How many files of an export are downloaded at a time. Each takes up to four mebibytes of memory, and over TLS up to eight.
    public var parallelDownloads = 4
    /// How often a download is continued altogether.
    public var longestSeries = 1000
    /// Lets the key go over plain HTTP to another machine, where the network itself is trusted.
    public var allowsPlainHTTP = false
    /// A PEM file of the authorities that the gateway's certificate is checked against, in place of the system's. Not read for an address
    /// of plain HTTP.
    public var authoritiesFile: String?
    /// Takes a file whose bytes nothing vouches for: neither a digest nor the gateway's record of the delivery.
    public var takesUnverifiedFiles = false
    /// Waits until the disk has a file before it gets its name, so that it is whole after a loss of power too.
    public var syncsFiles = false

    /// Makes the usual limits.
    public init() {}
}
