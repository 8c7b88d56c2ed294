public import Exports

/// A configured upstream account, ready to work.
public struct EngineConnection: Sendable {
    /// Unique among the connections of its provider.
    public var name: String
    public var provider: any ExportProvider
    /// What the provider can do on this connection.
    public var descriptor: ProviderDescriptor
    /// Whether its exports go on with a refresh token when the caller's own token has ended (`CallContext.refreshToken`).
    /// Counts only where the engine has keys to seal them with. Each export is then polled by a call of its own.
    public var keepsRefreshTokens: Bool
    /// What is done about a start of which it is not known whether it happened.
    public var ambiguousStart: AmbiguousStart
    /// Told when nothing more is to be done about some work: it has no place in the line of a request budget any more.
    public var leaveLine: @Sendable (PacedWork) -> Void

    /// Makes a connection. Without `ambiguousStart`, the descriptor's `resubmitIsHarmless` decides.
    public init(
        name: String,
        provider: any ExportProvider,
        descriptor: ProviderDescriptor,
        keepsRefreshTokens: Bool = false,
        ambiguousStart: AmbiguousStart? = nil,
        leaveLine: @escaping @Sendable (PacedWork) -> Void = { _ in }
    ) {
        self.ambiguousStart = ambiguousStart ?? (descriptor.capabilities.resubmitIsHarmless ? .repeat : .hold)
        self.name = name
        self.provider = provider
        self.descriptor = descriptor
        self.keepsRefreshTokens = keepsRefreshTokens
        self.leaveLine = leaveLine
    }
}

/// Which connection of which provider.
struct ConnectionKey: Hashable, Sendable {
    var provider: ProviderID
    var name: String
}
