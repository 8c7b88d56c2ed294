public import Exports

/// A configured upstream account, ready to work.
public struct EngineConnection: Sendable {
    /// Unique among the connections of its provider.
    public var name: String
    public var provider: any ExportProvider
    /// What the provider can do on this connection.
    public var descriptor: ProviderDescriptor

    /// Makes a connection.
    public init(name: String, provider: any ExportProvider, descriptor: ProviderDescriptor) {
        self.name = name
        self.provider = provider
        self.descriptor = descriptor
    }
}

/// Which connection of which provider.
struct ConnectionKey: Hashable, Sendable {
    var provider: ProviderID
    var name: String
}
