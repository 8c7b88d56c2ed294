public import UpstreamHTTP

/// What webhooks may call, and the limits of one request.
public struct WebhookTransportSettings: Sendable {
    /// Hosts that may be called at any address: those of an inner network. Exactly these names and addresses, not what is below a
    /// name. None by default: then each address must be public.
    public var allowedHosts: Set<WebhookHost> = []
    /// Whether the hosts of `allowedHosts` may be called by `http` too. All others are called by `https` only.
    public var allowsHTTP = false
    /// The longest time to open a connection to one address.
    public var connectTimeout: Duration = .seconds(5)
    /// The longest time of a whole request, from resolving the name to the end of the answer. Standard Webhooks recommends 15 to 30
    /// seconds.
    public var totalTimeout: Duration = .seconds(20)
    /// How many bytes of an answer are read, head and body. A longer head fails; the rest of a longer body is not read.
    public var maxAnswerBytes = 64 << 10
    /// Certificate authorities that are trusted beside the system's own.
    public var authorities: TrustedAuthorities?

    /// Takes the defaults.
    public init() {}
}
