import Exports
import GraphEDiscovery
import Intune
import PowerBI
import UpstreamHTTP
import VivaGoals

/// What the composition knows of a provider: what it is, and how its part of a connection's configuration is read.
struct Adapter: Sendable {
    /// Every provider that the gateway has: the one list in the gateway. The sandbox has its own.
    static let all = [
        Adapter(GraphEDiscoveryProvider.self),
        Adapter(VivaGoalsProvider.self),
        Adapter(PowerBIProvider.self),
        Adapter(IntuneProvider.self),
    ]

    let descriptor: ProviderDescriptor
    let read: @Sendable (inout ConnectionSection) throws(StartupError) -> AdapterSettings

    private init<Provider: UpstreamProvider>(_ provider: Provider.Type) {
        descriptor = Provider.descriptor
        read = { section throws(StartupError) in
            AdapterSettings(try Provider.Settings(&section), of: Provider.self)
        }
    }
}

/// A connection's settings, as far as they are the provider's own, and the provider that is made of them.
struct AdapterSettings: Sendable {
    let scopes: [TokenScope]
    let bearerHosts: [TokenScope: [HostRule]]
    let openHosts: [HostRule]
    let userBudget: RequestBudget?
    let expectations: [CallExpectations]
    let make: @Sendable (UpstreamClient) -> any ExportProvider
    /// The same for the check against the live service; see `UpstreamSettings.forLiveCheck`.
    let makeForLiveCheck: @Sendable (UpstreamClient) -> any ExportProvider

    fileprivate init<Provider: UpstreamProvider>(_ settings: Provider.Settings, of provider: Provider.Type) {
        scopes = settings.scopes
        bearerHosts = settings.bearerHosts
        openHosts = settings.openHosts
        userBudget = Provider.Settings.userBudget
        expectations = settings.expectations
        make = { Provider(settings: settings, client: $0) }
        makeForLiveCheck = { Provider(settings: settings.forLiveCheck, client: $0) }
    }

    /// The scope of the hosts that files come from, where it is not the API's own.
    var downloadScope: TokenScope? { scopes.first { $0 != scopes.first } }
}
