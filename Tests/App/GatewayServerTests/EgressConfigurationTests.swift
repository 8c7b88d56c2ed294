import Exports
import Foundation
import TestSupport
import Testing
import UpstreamHTTP

@testable import GatewayServer

/// `egress`: of all, of a connection, and of `server.entra`.
@Suite struct EgressConfigurationTests {
    private static let tenant = "72f988bf-86f1-41af-91ab-2d7cd011db47"

    private static func configuration(
        all: String? = nil,
        one: String? = nil,
        entra: String? = nil,
        variables: [String: String] = [:]
    ) throws -> GatewayConfiguration {
        var yaml = "ledger: { path: /tmp/ledger.sqlite }\n"
        if let all { yaml += "egress: \(all)\n" }
        if let entra {
            yaml += "server: { entra: { tenantIds: [\(tenant)], audiences: [one], egress: \(entra) } }\n"
        }
        yaml += "connections:\n"
        for (name, egress) in [("first", one), ("second", nil)] {
            yaml += "  - name: \(name)\n    provider: power-bi\n    credential: { type: passThrough }\n"
            if let egress { yaml += "    egress: \(egress)\n" }
        }
        return try GatewayConfiguration(yaml: yaml, environment: variables)
    }

    @Test func nothingSaidIsDirectly() throws {
        let configuration = try Self.configuration()
        #expect(configuration.egress?.words == nil)
        #expect(configuration.egress(of: configuration.connections[0]).words == "directly")
        #expect(EgressCheck.run(configuration).isEmpty)
    }

    @Test func theDefaultIsForAllThatHaveNoneOfTheirOwn() throws {
        let configuration = try Self.configuration(
            all: "{ proxy: \"http://proxy.example:3128\", proxyUser: gateway, proxyPassword: env:PROXY_PASSWORD, "
                + "noProxy: [inner.example, 10.0.0.0/8] }",
            one: "{ proxy: \"http://other.example\", noProxy: \"localhost, .Inner.example,,10.0.0.0/8\", "
                + "sourceAddress: 10.0.0.8 }",
            entra: "direct",
            variables: ["PROXY_PASSWORD": "pass-word-1"]
        )
        let found = EgressCheck.run(configuration).map(\.description)
        #expect(
            found == [
                "ok   server.entra: goes out directly",
                "ok   first: goes out through the proxy http://other.example, "
                    + "except to localhost, .inner.example, 10.0.0.0/8; from 10.0.0.8",
                "ok   second: goes out through the proxy http://proxy.example:3128 as gateway, "
                    + "except to inner.example, 10.0.0.0/8",
            ]
        )
        let proxy = configuration.egress(of: configuration.connections[1]).proxy
        #expect(proxy?.credentials?.password == Secret("pass-word-1"))
        #expect(proxy?.url.port == 3128)
        #expect(configuration.egress(of: configuration.connections[0]).proxy?.url.port == 80)
        #expect(configuration.egress(of: configuration.connections[0]).proxy?.credentials?.user == nil)
        var dumped = ""
        dump(configuration, to: &dumped)
        #expect(!dumped.contains("pass-word-1"))
    }

    @Test func theEnvironmentOverridesTheDefault() throws {
        let configuration = try Self.configuration(
            all: "{ proxy: \"http://one.example\", noProxy: a.example }",
            variables: [
                "EXPORT_GATEWAY_EGRESS_PROXY": "http://two.example:8080", "EXPORT_GATEWAY_EGRESS_NO_PROXY": "b.example",
            ]
        )
        let words = "through the proxy http://two.example:8080, except to b.example"
        #expect(configuration.egress?.words == words)
        let variables = [
            "EXPORT_GATEWAY_EGRESS_PROXY": "http://two.example:8080", "EXPORT_GATEWAY_EGRESS_NO_PROXY": "b.example",
        ]
        #expect(try Self.configuration(variables: variables).egress?.words == words)
        let list = try Self.configuration(all: "{ noProxy: [a.example, c.example] }", variables: variables)
        #expect(list.egress?.words == words)
    }

    @Test func authoritiesAreReadAtTheStart() throws {
        let files = try CertificateFiles()
        let beside = try Self.configuration(one: "{ authorities: \(files.authority) }")
        #expect(beside.connections[0].egress?.words == "directly; trusts \(files.authority) too")
        let alone = try Self.configuration(one: "{ authorities: \(files.authority), onlyAuthorities: true }")
        #expect(alone.connections[0].egress?.words == "directly; trusts \(files.authority) alone")
    }

    @Test(arguments: [
        ("{ proxy: \"http://user:pass-word-1@proxy.example\" }", "proxy", "must hold no credentials"),
        ("{ proxy: \"https://proxy.example\" }", "proxy", "must begin with http"),
        ("{ proxy: \"socks5://proxy.example\" }", "proxy", "such as http://proxy.example.com:3128"),
        ("{ proxy: \"proxy.example:3128\" }", "proxy", "such as http://proxy.example.com:3128"),
        ("{ proxy: \"http://proxy.example/path\" }", "proxy", "such as http://proxy.example.com:3128"),
        ("{ proxy: \"http://p.example\", proxyUser: me }", "proxyPassword", "is required beside proxyUser"),
        ("{ proxy: \"http://p.example\", proxyPassword: env:PASSWORD }", "proxyUser", "is required"),
        ("{ proxy: \"http://p.example\", proxyUser: me, proxyPassword: pass-word-1 }", "proxyPassword", "env:NAME"),
        ("{ proxy: \"http://p.example\", proxyUser: \"a:b\", proxyPassword: env:PASSWORD }", "proxyUser", "no colon"),
        ("{ proxy: \"http://p.example\", noProxy: [\"*\"] }", "noProxy", "* must be a host"),
        ("{ proxy: \"http://p.example\", noProxy: [10.0.0.1/8] }", "noProxy", "10.0.0.1/8 must be a host"),
        ("{ noProxy: [inner.example] }", "noProxy", "is for a proxy, and there is none"),
        ("{ proxyUser: me }", "proxyUser", "is for a proxy, and there is none"),
        ("{ authorities: /not/there.pem }", "authorities", "cannot be read as certificates"),
        ("{ proxy: \"http://p.example\", onlyAuthorities: true }", "onlyAuthorities", "needs authorities"),
        ("{ sourceAddress: eth0 }", "sourceAddress", "must be an IP address"),
        ("{ sourceAddress: \"fe80::1%eth0\" }", "sourceAddress", "must be an IP address"),
        ("{ prxy: \"http://p.example\" }", "prxy", "did you mean \"proxy\"?"),
    ])
    func aMistakeNamesItsKey(egress: String, key: String, words: String) {
        for path in ["egress", "connections[0].egress", "server.entra.egress"] {
            let error = #expect(throws: StartupError.self) {
                try Self.configuration(
                    all: path == "egress" ? egress : nil,
                    one: path == "connections[0].egress" ? egress : nil,
                    entra: path == "server.entra.egress" ? egress : nil,
                    variables: ["PASSWORD": "pass-word-1"]
                )
            }
            #expect(error?.key == "\(path).\(key)")
            #expect(error?.detail.contains(words) == true, "\(error?.detail ?? "")")
            #expect(error?.detail.contains("pass-word-1") == false)
        }
    }

    @Test(arguments: [("{}", "egress: direct"), ("none", "the word direct"), ("[]", "the word direct")])
    func aConnectionSaysSomethingOrLeavesItOut(egress: String, words: String) {
        let error = #expect(throws: StartupError.self) { try Self.configuration(one: egress) }
        #expect(error?.key == "connections[0].egress")
        #expect(error?.detail.contains(words) == true, "\(error?.detail ?? "")")
    }

    @Test func theSourceAddressIsOneOfThisMachine() async throws {
        try await Self.configuration(all: "{ sourceAddress: 127.0.0.1 }").checkSourceAddresses()
        // An address for documentation (RFC 5737).
        for (path, configuration) in [
            ("egress", try Self.configuration(all: "{ sourceAddress: 192.0.2.1 }")),
            ("connections[0].egress", try Self.configuration(one: "{ sourceAddress: 192.0.2.1 }")),
            ("server.entra.egress", try Self.configuration(entra: "{ sourceAddress: 192.0.2.1 }")),
        ] {
            let error = await #expect(throws: StartupError.self) { try await configuration.checkSourceAddresses() }
            #expect(error?.key == path + ".sourceAddress")
            #expect(error?.detail == "192.0.2.1 is not an address of this machine")
        }
    }
}
