public import Exports

/// A client of one gateway: creates exports, waits for them and downloads their files.
///
/// ```swift
/// let client = try GatewayClient(GatewayAddress("https://exports.example.com"), key: GatewayKey(text))
/// let export = try await client.create(body, idempotencyKey: "june")
/// let ended = try await client.wait(for: export.id) { _ in }
/// let files = try await client.download(ended, to: "/srv/reports") { _, _ in }
/// try await client.shutdown()
/// ```
///
/// Calls are tried again where that does no harm: a create carries its idempotency key through all tries, so that it is never
/// doubled. Everything throws `GatewayClientError`, or `CancellationError` when the task is cancelled.
public struct GatewayClient: Sendable {
    public let address: GatewayAddress
    public let settings: ClientSettings
    /// The tokens that an upstream may want from the caller itself.
    public let tokens: UpstreamTokens
    /// Called before each pause after a failure.
    public var onRetry: @Sendable (_ error: GatewayClientError, _ pause: Duration) -> Void = { _, _ in }
    let transport: GatewayTransport
    /// The clock of pauses and time limits.
    public let time: any TimeSource
    let random: Randomness
    let disk: DiskThreads

    /// The caller's own tokens for the upstream (`Upstream-Authorization` and `Upstream-Download-Authorization` in
    /// openapi.yaml). Sent to the gateway alone.
    public struct UpstreamTokens: Sendable, Hashable {
        public var calls: GatewayKey?
        public var downloads: GatewayKey?

        public init(calls: GatewayKey? = nil, downloads: GatewayKey? = nil) {
            self.calls = calls
            self.downloads = downloads
        }
    }

    /// Nothing can be asked with these settings; one line that says why.
    public struct Unusable: Error, CustomStringConvertible {
        public let description: String
    }

    /// Makes a client; `shutdown` must be called before it is released.
    ///
    /// Throws `Unusable` where a key would go over plain HTTP to another machine and the settings do not allow that, and where the
    /// authorities cannot be read.
    public init(
        _ address: GatewayAddress,
        key: GatewayKey?,
        tokens: UpstreamTokens = UpstreamTokens(),
        settings: ClientSettings = ClientSettings(),
        time: any TimeSource = SystemTime(),
        random: Randomness = Randomness { .random(in: .min ... .max) }
    ) throws(Unusable) {
        let hasSecret = key != nil || tokens != UpstreamTokens()
        guard address.isTLS || address.isLoopback || settings.allowsPlainHTTP || !hasSecret else {
            throw Unusable(
                description: "\(address) is plain HTTP, which shows the key to everybody on the way: use https, "
                    + "or allow plain HTTP on a network that you trust"
            )
        }
        self.address = address
        self.settings = settings
        self.tokens = tokens
        self.time = time
        self.random = random
        transport = try GatewayTransport(address, key: key, settings: settings, time: time, random: random)
        disk = DiskThreads(count: settings.parallelDownloads)
    }

    /// Closes every connection. Calls under way fail.
    public func shutdown() async throws {
        try await transport.shutdown()
        try await disk.shutdown()
    }

    /// Sends a call, again and again as long as a failure may pass and the settings allow it.
    func send(_ call: GatewayCall) async throws -> GatewayAnswer {
        var retry = RetryState(settings)
        while true {
            do {
                return try await transport.send(call)
            } catch let error as GatewayClientError {
                guard let pause = retry.failed(error, jitter: random.jitter()) else { throw error }
                onRetry(error, pause)
                try await time.sleep(for: pause)
            }
        }
    }

    /// The header fields with which an upstream's own tokens are sent.
    var tokenFields: [(name: String, value: String)] {
        tokens.calls.map { [("upstream-authorization", $0.bearer)] } ?? []
    }
}
