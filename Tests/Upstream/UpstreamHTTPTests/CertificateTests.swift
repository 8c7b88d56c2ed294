import Exports
import ScriptedHost
import TestSupport
import Testing

@testable import UpstreamHTTP

/// Whose certificates are taken for which host.
@Suite(.timeLimit(.minutes(2))) struct CertificateTests {
    /// NIOSSL alone would take the certificate, which is for the address that the connection leads to.
    @Test func aCertificateForTheAddressIsNotForTheName() async throws {
        try await EgressBench.with(certificate: "IP:127.0.0.1") { bench in
            let (name, address) = (try bench.url("localhost"), try bench.url("127.0.0.1"))
            try await bench.leaving(by: bench.egress(proxy: nil), to: ["localhost", "127.0.0.1"]) { client in
                #expect(try await client.get(address).status == 200)
                for call in [client.get, client.start] {
                    let error = try await providerError { try await call(name) }
                    #expect(error.code == .transient)
                    #expect(error.detail.hasPrefix("localhost showed a certificate that is not for this name."))
                }
            }
            #expect(bench.server.calls.count == 1)
        }
    }

    @Test func aCertificateForTheProxysAddressIsForNoUpstream() async throws {
        try await EgressBench.with(certificate: "IP:127.0.0.1") { bench in
            let proxy = try await ConnectProxy.start(to: bench.server.port)
            let (name, address) = (try bench.url(), try bench.url("192.0.2.1"))
            try await bench.leaving(
                by: bench.egress(proxy: proxy.port),
                to: [EgressBench.name, "192.0.2.1"]
            ) { client in
                let error = try await providerError { try await client.start(name) }
                #expect(error.detail.contains("a certificate that is not for this name"))
                let other = try await providerError { try await client.start(address) }
                #expect(other.detail.contains("whose certificate cannot be checked through a proxy"))
            }
            #expect(proxy.calls.all.map(\.request).last == "CONNECT 192.0.2.1:\(bench.server.port)")
            #expect(bench.server.calls.isEmpty)
            try await proxy.stop()
        }
    }

    @Test(arguments: ["DNS:other.test", "DNS:*.upstream.test", "DNS:test"])
    func aCertificateForAnotherNameIsNotTaken(name: String) async throws {
        try await EgressBench.with(certificate: name) { bench in
            let proxy = try await ConnectProxy.start(to: bench.server.port)
            let url = try bench.url()
            try await bench.leaving(by: bench.egress(proxy: proxy.port)) { client in
                let error = try await providerError { try await client.start(url) }
                #expect(error.code == .transient)
            }
            #expect(bench.server.calls.isEmpty)
            try await proxy.stop()
        }
    }

    /// The authorities of the way out count besides those of the system, for which the transport's own stand here, or alone.
    @Test(arguments: [
        ("none", true, false), ("own", true, true), ("own", false, true), ("systems", true, true),
        ("systems", false, false),
    ])
    func authoritiesCountBesideTheSystemsOrAlone(whose: String, trustsSystem: Bool, isTaken: Bool) async throws {
        try await EgressBench.with(certificate: "DNS:localhost") { bench in
            let other = try CertificateFiles()
            let system = UpstreamTransport(
                // The client tries as long to connect to who is not trusted.
                connectTimeout: isTaken ? .seconds(10) : .milliseconds(300),
                authorities: TrustedAuthorities(pemFile: whose == "systems" ? bench.files.authority : other.authority)
            )
            var egress = Egress()
            if whose != "none" {
                let file = whose == "own" ? bench.files.authority : other.authority
                egress.authorities = TrustedAuthorities(pemFile: file)
            }
            egress.trustsSystem = trustsSystem
            let url = try bench.url("localhost")
            try await bench.leaving(by: egress, from: system, to: ["localhost"]) { client in
                let answer = try? await client.start(url)
                #expect((answer?.status == 200) == isTaken)
            }
            #expect(bench.server.calls.count == (isTaken ? 1 : 0))
            try await system.shutdown()
        }
    }
}
