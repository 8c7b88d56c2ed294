import EntraIdentity
import Exports
import Testing
import UpstreamHTTP

@testable import GatewayServer

/// Hosts and scopes of the national clouds.
@Suite struct NationalCloudTests {
    @Test func everyCloudHasItsOwnHosts() throws {
        let places: [NationalCloud: (api: String, resource: String)] = [
            .public: ("api.powerbi.com", "analysis.windows.net"),
            .gcc: ("api.powerbigov.us", "analysis.usgovcloudapi.net"),
            .gccHigh: ("api.high.powerbigov.us", "high.analysis.usgovcloudapi.net"),
            .dod: ("api.mil.powerbigov.us", "mil.analysis.usgovcloudapi.net"),
            .china: ("api.powerbi.cn", "analysis.chinacloudapi.cn"),
        ]
        for cloud in NationalCloud.allCases {
            let credential = "{ type: clientSecret, \(registration), clientSecret: env:S }"
            let connection = try connection(credential, "cloud: \(cloud.rawValue)", variables: ["S": "x"])
            guard case .application(let application) = connection.credential else { continue }
            #expect(application.authority.reveal() == cloud.authority + "/")
            let place = try #require(places[cloud])
            let scope = TokenScope("https://\(place.resource)/powerbi/api/.default")
            #expect(connection.adapter.scopes == [scope])
            let api = try #require(UpstreamURL("https://\(place.api)/v1.0/x"))
            #expect(connection.adapter.bearerHosts[scope]?.contains { $0.matches(api) } == true)
        }
        #expect(NationalCloud.gccHigh.graphScope == TokenScope("https://graph.microsoft.us/.default"))
    }

    @Test func whereThereIsNoEDiscoveryItIsRefused() {
        let error = #expect(throws: StartupError.self) {
            try connection("{ type: passThrough }", "cloud: china", provider: "graph-ediscovery")
        }
        #expect(error?.key == "connections[0].cloud")
    }

    @Test(arguments: [NationalCloud.gccHigh, .dod])
    func whereDownloadHostsAreNotKnownTheyHaveToBeGiven(cloud: NationalCloud) throws {
        func read(_ hosts: String) throws -> ConnectionConfiguration {
            let more = "cloud: \(cloud.rawValue)" + hosts.split(separator: ";").map { "\n    \($0)" }.joined()
            return try connection("{ type: passThrough }", more, provider: "graph-ediscovery")
        }
        for (hosts, missing) in [
            ("", "proxyHosts"), ("proxyHosts: [a.example]", "blobHosts"), ("blobHosts: []", "proxyHosts"),
        ] {
            let error = #expect(throws: StartupError.self) { try read(hosts) }
            #expect(error?.key == "connections[0].\(missing)")
            #expect(error?.detail.contains("required with cloud: \(cloud.rawValue)") == true)
            #expect(error?.detail.contains("exportFileMetadata") == true)
        }
        let given = try read("proxyHosts: [p.example];blobHosts: [\"*.b.example\"]").adapter
        #expect(given.openHosts == [.subdomains(of: "b.example")])
        #expect(given.bearerHosts.values.contains([.host("p.example")]))
        #expect(!given.bearerHosts.values.joined().contains { "\($0)".contains("cloud.microsoft") })
    }

    @Test(arguments: [NationalCloud.public, .gcc])
    func whereDownloadHostsAreKnownTheyAreNot(cloud: NationalCloud) throws {
        let adapter = try connection("{ type: passThrough }", "cloud: \(cloud.rawValue)", provider: "graph-ediscovery")
            .adapter
        let files = try #require(UpstreamURL("https://files.blob.core.windows.net/c"))
        #expect(adapter.openHosts.contains { $0.matches(files) })
        let proxy = try #require(UpstreamURL("https://nam.proxyservice.ediscovery.svc.cloud.microsoft/f"))
        #expect(adapter.bearerHosts.values.joined().contains { $0.matches(proxy) })
    }

    @Test func intuneFilesComeFromTheCloudsOwnStorage() throws {
        for (cloud, domain) in [
            (NationalCloud.public, "windows.net"), (.gcc, "windows.net"), (.gccHigh, "usgovcloudapi.net"),
            (.dod, "usgovcloudapi.net"), (.china, "chinacloudapi.cn"),
        ] {
            let adapter = try connection("{ type: passThrough }", "cloud: \(cloud.rawValue)", provider: "intune")
                .adapter
            #expect(adapter.openHosts.map(\.description) == ["*repexpstorage.blob.core." + domain])
            #expect(adapter.scopes == [cloud.graphScope])
        }
        let given = "blobHosts: [\"*files.blob.example.com\"]"
        let adapter = try connection("{ type: passThrough }", given, provider: "intune").adapter
        #expect(adapter.openHosts == [HostRule.hosts(ending: "files.blob.example.com")])
        let error = #expect(throws: StartupError.self) {
            try connection("{ type: passThrough }", "blobHosts: [\"*example.com\"]", provider: "intune")
        }
        #expect(error?.key == "connections[0].blobHosts")
    }
}
