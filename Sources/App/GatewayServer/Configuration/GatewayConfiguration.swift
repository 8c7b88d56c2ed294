public import CallerIdentity
import DownloadRelay
public import ExportEngine
public import Exports
public import GatewayAPI
public import InternetAddresses
public import ParallelGzip
public import PostgreSQL
public import SystemCrypto
public import Telemetry
public import UpstreamHTTP
public import WebhookTransport
public import Zstandard

/// Everything an operator can set: one YAML file, checked as a whole before anything starts.
///
/// `Deploy/gateway.example.yaml` explains every key, and the article `Connection-…` of a provider those that its connections alone
/// have.
public struct GatewayConfiguration: Sendable {
    /// Where and how the gateway listens.
    public struct Server: Sendable {
        public var host = "127.0.0.1"
        public var port = 8080
        /// Where probes and metrics are served too; nil: on the gateway's own port only.
        public var operations: Listener?
        public var publicURL: String?
        public var trustedProxies: [IPRange] = []
        public var maximumConnections = 1024
        public var idleTimeout = Duration.seconds(75)
        /// Bytes of memory that clients may take: with requests that come or wait, and with downloads.
        public var memory = 2 << 30
        /// Whether requests for the state of an export, and short create requests, are answered on the event loops.
        public var directAnswers = true
        public var drainDelay = Duration.zero
        public var drainTimeout = Duration.seconds(30)
        public var events = EventSettings()
        /// The limits of callers.
        public var limits = CallerLimitTable()
        /// How long a download ticket is good, at most; nil where there are none.
        public var ticketLifetime: Duration? = .seconds(900)
        /// Whether the console is served at `/console`.
        public var hasConsole = true
        public var cursorKey: Secret?
        public var apiKeys: [APIKeyEntry] = []
        public var entra: TokenIssuer?
        public var tls: TLSSettings?
        /// The limits of HTTP/2, and whether it is taken in plain text; `tls` says whether it is offered with TLS.
        public var http2 = HTTP2Settings()
        public var clientCertificates: [ClientCertificate] = []
        /// How many turns a caller gets for one of another; 1 for those that are not in here.
        public var weights: [String: Int] = [:]

        /// Whether callers have to prove who they are.
        public var hasCallers: Bool { !apiKeys.isEmpty || entra != nil || !clientCertificates.isEmpty }

        /// Whether `host` reaches this machine only.
        public var isLoopback: Bool { host == "localhost" || host == "::1" || isIPv4Loopback }

        /// Whether `host` is an address of 127.0.0.0/8, and no name that begins like one.
        private var isIPv4Loopback: Bool {
            let parts = host.split(separator: ".", omittingEmptySubsequences: false)
            let bytes = parts.compactMap { part in UInt8(part).flatMap { String($0) == part ? $0 : nil } }
            return parts.count == 4 && bytes.count == 4 && bytes[0] == 127
        }
    }

    /// An address to listen on.
    public struct Listener: Sendable, Hashable {
        public var host: String
        public var port: Int
    }

    /// A caller and its keys, as their digests.
    public struct APIKeyEntry: Sendable, Hashable {
        public var id: String
        public var sha256: [[UInt8]]
        public var permissions: Permissions
        public var weight = 1
    }

    /// Who issues the access tokens that let callers in.
    public struct TokenIssuer: Sendable {
        public var authority: UpstreamURL
        public var tenantIDs: [String]
        public var audiences: [String]
        /// The application in whose name people sign in to the console; nil: they cannot.
        public var consoleClientID: String?
        public var clockSkew = Duration.seconds(60)
        public var keyRefreshInterval = Duration.seconds(60)
        /// How many turns a caller gets for one of another.
        public var weights: [String: Int] = [:]
        /// How the authority's keys are fetched; nil: as `GatewayConfiguration.egress` says.
        public var egress: Egress?
    }

    /// What seals the secrets that have to rest in the ledger.
    public struct Sealing: Sendable {
        /// The keys' ids, as the file lists them.
        public var ids: [String]
        /// The id of the key that seals.
        public var current: String
        public var keys: SealingKeys
    }

    /// Which webhooks there may be, and how messages are sent to them.
    public struct Webhooks: Sendable {
        /// Nil: where there are keys that seal their secrets.
        public var isEnabled: Bool?
        /// Webhooks of one caller.
        public var perCaller = 20
        /// Messages that are being sent at a time.
        public var concurrency = 32
        /// Messages that are being sent to one webhook at a time.
        public var perWebhook = 4
        /// Messages of one webhook that are not delivered yet. With more, its changes wait in the ledger.
        public var pendingLimit = 10_000
        /// How long one attempt may take.
        public var timeout = Duration.seconds(15)
        /// How long before their expiry `export.expiring` tells of files.
        public var expiryLead = Duration.seconds(86_400)
        /// How long messages are kept after their last attempt.
        public var retention = Duration.seconds(30 * 86_400)
        /// How long a webhook may be without a success before it is disabled.
        public var disableAfter = Duration.seconds(5 * 86_400)
        /// How long the secret before the current one signs too.
        public var secretOverlap = Duration.seconds(86_400)
        /// Hosts that may be called although their addresses are not public.
        public var allowHosts: Set<WebhookHost> = []
        /// Whether the hosts of `allowHosts` may be called without TLS.
        public var allowPlainHTTP = false
    }

    /// Where exports are stored.
    public enum Ledger: Sendable {
        /// A SQLite file, for one replica.
        case file(path: String)
        /// A PostgreSQL database, which several replicas can share.
        case postgresql(PostgreSQLSettings, SharedLedger)
    }

    /// How replicas share a ledger.
    public struct SharedLedger: Sendable {
        /// How long the registration of a replica is valid unless it is renewed.
        public var leaseDuration = Duration.seconds(10)
    }

    /// How files are passed on.
    public struct Downloads: Sendable {
        /// Nil where gzip is not offered.
        public var gzip: GzipLevel? = .adaptive
        /// Nil where zstd is not offered.
        public var zstd: ZstdLevel? = .fast
        /// Nil for a thread on each core.
        public var gzipThreads: Int?
        public var minimumGzipSize = 1024
        public var firstByteTimeout = Duration.seconds(60)
        public var idleTimeout = Duration.seconds(60)
        /// Bytes that may be read and dropped to come to a part of a file whose upstream serves none; 0: none.
        public var rangeSkipLimit = 1 << 30
        /// Attempts to go on with an upstream that broke off, without progress between them; 0: none.
        public var resumeAttempts = 6
        /// Downloads of one caller at a time.
        public var perCaller = RelaySettings().perCaller
        /// Bytes in a second that a client has to take, averaged over the window; 0: anything at all.
        public var minimumRate = 1024
        public var minimumRateWindow = Duration.seconds(60)
        /// Which files are read once in the background after their export has succeeded.
        public var measure = Measure.unknownLength
        /// Files that are measured at a time.
        public var measureAtOnce = 2
        /// Bytes of a file beyond which it is not measured.
        public var measureLargest = 16 << 30
        /// Bytes that all measurements together read in a second; 0: as fast as they come.
        public var measureRate = 16 << 20

        /// Which files are measured.
        public enum Measure: String, Sendable, CaseIterable {
            /// Those whose length the upstream does not tell.
            case unknownLength
            /// Those whose length or digest the upstream does not tell.
            case always
            case never
        }
    }

    /// How exports are tracked.
    public struct Engine: Sendable {
        public var maximumPollInterval = Duration.seconds(60)
        public var submissionDeadline = Duration.seconds(3600)
        public var trackingDeadline = Duration.seconds(48 * 3600)
        public var unknownBound = Duration.seconds(3600)
        public var reconcileDelay = Duration.seconds(10)
        public var reconcileDeadline = Duration.seconds(24 * 3600)
        public var missingBound = Duration.seconds(900)
        /// Of how many exports the visible state is kept in memory; 0: of none.
        public var snapshotLimit = 10_000
    }

    public var server = Server()
    public var ledger: Ledger
    public var log = LogSettings()
    public var downloads = Downloads()
    public var engine = Engine()
    public var connections: [ConnectionConfiguration]
    public var sealing: Sealing?
    public var webhooks = Webhooks()
    /// What is purged, and when; by default nothing.
    public var retention = RetentionSettings()
    /// Who vouches for upstreams; nil leaves that to the system's own list.
    public var authorities: TrustedAuthorities?
    /// How calls leave the gateway, where nothing else is said; nil: directly.
    public var egress: Egress?
    /// Nil where no traces are recorded.
    public var traces: Traces?
    /// Nil where no audit trail is kept.
    public var audit: Audit?
    /// The keys that it was read from.
    var keys = ConfigurationKeys()
}

/// One upstream account.
public struct ConnectionConfiguration: Sendable {
    public var name: String
    public var provider: ProviderID
    /// The shortest wait between two polls of one export, when the upstream names none.
    public var pollInterval: Duration
    /// What is done about a start of which it is not known whether it happened.
    var ambiguousStart: AmbiguousStart
    var credential: CredentialConfiguration
    var budget: RequestBudget?
    /// Whether a refused start that says in words that too many jobs run is tried again; assumed, because which answer
    /// Microsoft says it with is documented nowhere (`Upstream-GraphEDiscovery, Limits`).
    var retriesOnCapacityText: Bool
    var adapter: AdapterSettings
    /// How calls for it leave the gateway; nil: as `GatewayConfiguration.egress` says.
    var egress: Egress?

    /// Whether callers bring a token of their own, to be passed on or exchanged.
    public var needsCallerToken: Bool { credential.needsCallerToken }
}
