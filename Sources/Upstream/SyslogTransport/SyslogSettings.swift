import NIOSSL
public import UpstreamHTTP

/// Where messages go, and the limits of sending them.
public struct SyslogSettings: Sendable {
    public var host: String
    /// 6514 is the port of syslog over TLS (RFC 5425, 4.1).
    public var port = 6514
    /// What the messages call this machine; `-` where it is not known.
    public var hostName = "-"
    /// What the messages call this program.
    public var appName = "export-gateway"
    /// Certificate authorities that are trusted beside the system's own.
    public var authorities: TrustedAuthorities?
    /// What this program shows of itself; nil: nothing.
    public var identity: Identity?
    /// Messages that wait for the connection. Further ones are dropped, and counted.
    public var queueLimit = 10_000
    /// How many bytes are given to the connection at a time.
    public var batchBytes = 64 << 10
    /// The longest time to open a connection and to give a batch to it, and the time within which it is found out that the collector is
    /// gone.
    public var timeout = Duration.seconds(10)
    /// How long a connection has to live before what was sent over it counts as sent.
    public var trial = Duration.seconds(2)
    /// The shortest and the longest wait after a failure.
    public var pauses = Duration.seconds(1) ... .seconds(60)
    /// How long it takes at most to send what is left, and to close the connection, when the process ends.
    public var lastWait = Duration.seconds(5)

    /// A certificate chain and its key.
    public struct Identity: Sendable {
        let chain: [NIOSSLCertificate]
        let key: NIOSSLPrivateKey

        /// Reads PEM files. Nil where one of them cannot be read.
        public init?(certificateFile: String, keyFile: String) {
            guard let chain = try? NIOSSLCertificate.fromPEMFile(certificateFile), !chain.isEmpty,
                let key = try? NIOSSLPrivateKey(file: keyFile, format: .pem)
            else { return nil }
            (self.chain, self.key) = (chain, key)
        }
    }

    /// Sends to a host.
    public init(host: String) { self.host = host }
}
