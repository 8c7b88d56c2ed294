import Exports
import GraphEDiscovery
import Intune
import PowerBI
import UpstreamHTTP
import VivaGoals

/// What the composition knows of a provider: how to read its part of a connection's configuration.
struct Adapter: Sendable {
    let descriptor: ProviderDescriptor
    let read:
        @Sendable (inout ConfigurationSection, NationalCloud, _ allowPlainHTTP: Bool) throws(StartupError) ->
            AdapterSettings

    /// Every provider that the gateway has. The one place that names them all.
    static let all: [Adapter] = [graphEDiscovery, vivaGoals, powerBI, intune]
}

/// A connection's settings, as far as they are the provider's own.
struct AdapterSettings: Sendable {
    /// The scopes whose tokens the provider shows, and where; the first is the API's own, a second one that of the hosts that
    /// files come from.
    var scopes: [TokenScope]
    var bearerHosts: [TokenScope: [HostRule]]
    var openHosts: [HostRule]
    /// The calls that the upstream allows one user in a time, where that is documented and is less than for the application.
    var userBudget: RequestBudget?
    var make: @Sendable (UpstreamClient) -> any ExportProvider

    /// The scope of the hosts that files come from, where it is not the API's own.
    var downloadScope: TokenScope? { scopes.first { $0 != scopes.first } }
}

extension Adapter {
    private static let graphEDiscovery = Adapter(descriptor: GraphEDiscoveryProvider.descriptor) {
        section,
        cloud,
        allowPlainHTTP throws(StartupError) in
        // Microsoft lists these APIs for the worldwide and the US government's clouds (`Upstream-GraphEDiscovery, Clouds`).
        guard cloud != .china else { throw section.error("cloud", "has no eDiscovery API") }
        var settings = GraphEDiscoverySettings()
        settings.apiRoot = try section.url("apiRoot", default: cloud.graphRoot, allowPlainHTTP: allowPlainHTTP)
        settings.dialect = try section.choice("dialect", GraphEDiscoverySettings.Dialect.self, default: .security)
        settings.version = try section.choice(
            "version",
            GraphEDiscoverySettings.Version.self,
            default: settings.version
        )
        settings.proxyHosts = try section.downloadHosts("proxyHosts", settings.proxyHosts, cloud, allowPlainHTTP)
        settings.blobHosts = try section.downloadHosts("blobHosts", settings.blobHosts, cloud, allowPlainHTTP)
        settings.graphScope = try section.scope("graphScope", default: cloud.graphScope)
        settings.downloadScope = try section.scope("downloadScope", default: settings.downloadScope)
        let read = settings
        return AdapterSettings(
            scopes: [read.graphScope, read.downloadScope],
            bearerHosts: read.bearerHosts,
            openHosts: read.openHosts
        ) { GraphEDiscoveryProvider(settings: read, client: $0) }
    }

    private static let vivaGoals = Adapter(descriptor: VivaGoalsProvider.descriptor) {
        section,
        cloud,
        allowPlainHTTP throws(StartupError) in
        let settings = VivaGoalsSettings(
            apiRoot: try section.url("apiRoot", default: cloud.graphRoot, allowPlainHTTP: allowPlainHTTP),
            scope: try section.scope("scope", default: cloud.graphScope),
            asksForRanges: try section.bool("ranges", default: false)
        )
        return AdapterSettings(
            scopes: [settings.scope],
            bearerHosts: settings.bearerHosts,
            openHosts: settings.openHosts
        ) { VivaGoalsProvider(settings: settings, client: $0) }
    }

    private static let powerBI = Adapter(descriptor: PowerBIProvider.descriptor) {
        section,
        cloud,
        allowPlainHTTP throws(StartupError) in
        let profileID = try section.text("profileId")
        if let profileID, !UUIDText.isValid(profileID) {
            throw section.error("profileId", "must be the profile's id, a UUID")
        }
        let settings = PowerBISettings(
            apiRoot: try section.url("apiRoot", default: cloud.powerBIRoot, allowPlainHTTP: allowPlainHTTP),
            scope: try section.scope("scope", default: cloud.powerBIScope),
            profileID: profileID,
            asksForRanges: try section.bool("ranges", default: false)
        )
        return AdapterSettings(
            scopes: [settings.scope],
            bearerHosts: settings.bearerHosts,
            openHosts: settings.openHosts
        ) { PowerBIProvider(settings: settings, client: $0) }
    }

    private static let intune = Adapter(descriptor: IntuneProvider.descriptor) {
        section,
        cloud,
        allowPlainHTTP throws(StartupError) in
        var settings = IntuneSettings()
        settings.apiRoot = try section.url("apiRoot", default: cloud.graphRoot, allowPlainHTTP: allowPlainHTTP)
        settings.version = try section.choice(
            "version",
            IntuneSettings.Version.self,
            default: settings.version
        )
        settings.keyForm = try section.choice("keyForm", IntuneSettings.KeyForm.self, default: settings.keyForm)
        settings.scope = try section.scope("scope", default: cloud.graphScope)
        settings.blobHosts =
            try section.hosts(
                "blobHosts",
                default: IntuneSettings.blobHosts(storage: cloud.blobDomain),
                allowPlainHTTP: allowPlainHTTP
            ) ?? []
        settings.stuckAfter = try section.duration(
            "stuckAfter",
            in: .seconds(1) ... .seconds(48 * 3600),
            default: settings.stuckAfter
        )
        settings.maximumJobs = try section.integer("maximumJobs", in: 1...20, default: settings.maximumJobs)
        settings.countsPolls = try section.bool("countPolls", default: settings.countsPolls)
        let read = settings
        return AdapterSettings(
            scopes: [read.scope],
            bearerHosts: read.bearerHosts,
            openHosts: read.openHosts,
            // (`Upstream-Intune, Limits`)
            userBudget: RequestBudget(8, per: .seconds(60))
        ) { IntuneProvider(settings: read, client: $0) }
    }
}

extension ConfigurationSection {
    /// The hosts that eDiscovery's files come from. Microsoft names those of the worldwide cloud only
    /// (`Upstream-GraphEDiscovery, Download hosts`): elsewhere exports would run, and their files be refused.
    fileprivate mutating func downloadHosts(
        _ name: String,
        _ worldwide: [HostRule],
        _ cloud: NationalCloud,
        _ allowPlainHTTP: Bool
    ) throws(StartupError) -> [HostRule] {
        let hosts = try hosts(
            name,
            default: cloud.hasWorldwideDownloads ? worldwide : nil,
            allowPlainHTTP: allowPlainHTTP
        )
        guard let hosts else {
            throw error(
                name,
                "is required with cloud: \(cloud.rawValue), whose download hosts are not known here: look them up in the downloadUrl of a finished export's exportFileMetadata; [] for none"
            )
        }
        return hosts
    }
}
