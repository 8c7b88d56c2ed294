public import Exports

/// A configured connection, ready to use.
public struct EngineConnection: Sendable {
    /// Unique among the connections of its provider.
    public var name: String
    public var provider: any ExportProvider
    /// What the provider can do on this connection.
    public var descriptor: ProviderDescriptor
    /// Whether exports go on with a refresh token when the caller's own token has expired (`CallContext.refreshToken`).
    /// Only used where the engine has keys to encrypt the tokens with. Each export is then polled with a call of its own.
    public var keepsRefreshTokens: Bool
    /// What the engine does about a start when it is unknown whether the start happened.
    public var ambiguousStart: AmbiguousStart
    /// The name of its lease, where several replicas share the ledger: connections that share a request budget have one lease.
    public var leaseName: String
    /// Called when some work needs no further calls: it loses its place in the queue of a request budget.
    public var leaveLine: @Sendable (PacedWork) -> Void

    /// Makes a connection. Without `ambiguousStart`, the descriptor's `resubmitIsHarmless` decides; without `leaseName`, the
    /// connection has a lease of its own.
    public init(
        name: String,
        provider: any ExportProvider,
        descriptor: ProviderDescriptor,
        keepsRefreshTokens: Bool = false,
        ambiguousStart: AmbiguousStart? = nil,
        leaseName: String? = nil,
        leaveLine: @escaping @Sendable (PacedWork) -> Void = { _ in }
    ) {
        self.ambiguousStart = ambiguousStart ?? (descriptor.capabilities.resubmitIsHarmless ? .repeat : .hold)
        self.name = name
        self.provider = provider
        self.descriptor = descriptor
        self.keepsRefreshTokens = keepsRefreshTokens
        self.leaseName = leaseName ?? "\(descriptor.id) connection \(name)"
        self.leaveLine = leaveLine
    }
}

/// Which connection of which provider.
struct ConnectionKey: Hashable, Sendable {
    var provider: ProviderID
    var name: String
}
