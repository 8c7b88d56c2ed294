public import Exports

/// A provider that calls its upstream by HTTP. With its descriptor, this is all that the composition knows of a provider.
public protocol UpstreamProvider: ExportProvider {
    /// What a connection's configuration decides.
    associatedtype Settings: UpstreamSettings

    /// Makes the provider of one connection. The client must allow `settings.bearerHosts` and `settings.openHosts`.
    init(settings: Settings, client: UpstreamClient)
}

/// A connection's settings, as far as they are its provider's own: the keys that there are, and what follows from them for tokens
/// and hosts.
public protocol UpstreamSettings: Sendable {
    /// The calls that the upstream allows one user in a time, where that is documented and is less than for the application; nil
    /// unless the settings say otherwise.
    static var userBudget: RequestBudget? { get }

    /// The scopes whose tokens the provider shows; the first is the API's own, a second one that of the hosts that files come
    /// from.
    var scopes: [TokenScope] { get }
    /// Which hosts may be shown which token.
    var bearerHosts: [TokenScope: [HostRule]] { get }
    /// Which hosts may be called without a token.
    var openHosts: [HostRule] { get }

    /// What the provider's articles say of the answers to the calls of such a connection; of each kind of call once (`Live-Check`).
    var expectations: [CallExpectations] { get }
    /// The same settings for the check against the live service: what is off because nobody knows whether the upstream does it is
    /// tried.
    var forLiveCheck: Self { get }

    /// Reads the provider's keys of a connection. Keys that it does not ask for are refused afterwards.
    ///
    /// Throws what `keys` throws, and `keys.error` for a value that the provider cannot use.
    init(_ keys: inout some ConnectionKeys) throws(StartupError)
}

extension UpstreamSettings {
    public static var userBudget: RequestBudget? { nil }
    public var forLiveCheck: Self { self }
}
