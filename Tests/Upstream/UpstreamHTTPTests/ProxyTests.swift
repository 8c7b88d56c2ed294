import AsyncHTTPClient
import Exports
import InMemoryLogging
import Logging
import NIOCore
import ScriptedHost
import TestSupport
import Testing

@testable import UpstreamHTTP

/// Calls that leave through a proxy.
@Suite(.timeLimit(.minutes(2))) struct ProxyTests {
    /// `gateway:pass-word-1` in base 64.
    private static let authorization = "Basic Z2F0ZXdheTpwYXNzLXdvcmQtMQ=="

    @Test func everyCallGoesThroughATunnelAndTheProxyLearnsTheHostOnly() async throws {
        try await EgressBench.with { bench in
            let proxy = try await ConnectProxy.start(to: bench.server.port, authorization: Self.authorization)
            let url = try bench.url()
            let egress = try bench.egress(proxy: proxy.port, user: "gateway", password: "pass-word-1")
            try await bench.leaving(by: egress) { client in
                for _ in 0..<2 { #expect(try await client.get(url).status == 200) }
                let request = UpstreamRequest("test.file", .get, url)
                let download = try await client.download(request, context: CallContext(requestID: "r"))
                #expect(await read(download.bytes).bytes == Array("{}".utf8))
                // Calls that are kept apart from others have a tunnel of their own.
                #expect(try await client.start(url).status == 200)
            }
            let calls = proxy.calls.all
            #expect(calls.map(\.request) == Array(repeating: "CONNECT upstream.test:\(bench.server.port)", count: 2))
            #expect(calls.allSatisfy { $0.authorization == Self.authorization })
            #expect(bench.server.calls.count == 4)
            for call in bench.server.calls { #expect(!call.head.lowercased().contains("proxy-authorization")) }
            expectNoCredentials(in: bench)
            try await proxy.stop()
        }
    }

    @Test func wrongCredentialsAreTheProxysRefusalAndAreShownOnce() async throws {
        try await EgressBench.with { bench in
            // As some proxies do, this one repeats what it was shown.
            let proxy = try await RawServer.start { call, _ in
                [RawServer.answer(407, ["Proxy-Authenticate: Basic"], body: call.head), .close]
            }
            let url = try bench.url()
            let egress = try bench.egress(proxy: proxy.port, user: "gateway", password: "pass-word-1")
            try await bench.leaving(by: egress) { client in
                for (number, call) in [client.get, client.start].enumerated() {
                    let error = try await providerError { try await call(url) }
                    #expect(error.code == .transient)
                    #expect(error.problem == .upstreamUnavailable)
                    #expect(error.retryAfter == .seconds(60))
                    #expect(error.upstream == nil)
                    #expect(
                        error.detail.hasPrefix("upstream.test was not asked: the proxy on the way out does not acc")
                    )
                    #expect(!"\(error)".contains("pass-word-1") && !"\(error)".contains("Z2F0ZXdheTpw"))
                    // A call is not repeated.
                    #expect(proxy.calls.count == number + 1)
                }
            }
            #expect(bench.server.calls.isEmpty)
            #expect(bench.failures("credentials") == 2)
            let warnings = bench.logs.entries.filter { $0.level == .warning }
            #expect(warnings.map { $0.metadata["reason"] } == ["proxy: credentials", "proxy: credentials"])
            expectNoCredentials(in: bench)
            try await proxy.stop()
        }
    }

    /// No byte of a start has left, whatever the proxy does instead of opening a tunnel.
    @Test(
        arguments: [
            ("refused", [RawServer.answer(403, body: "not this host")]), ("refused", [RawServer.answer(502), .close]),
            ("refused", [RawServer.answer(503, ["Retry-After: 7"]), .close]), ("broken-off", [.close]),
            ("broken-off", [.text("HTTP/1.1 200 "), .close]),
        ] as [(String, [RawServer.Step])]
    )
    func aProxyThatOpensNoTunnel(reason: String, steps: [RawServer.Step]) async throws {
        try await EgressBench.with { bench in
            let proxy = try await RawServer.start { _, _ in steps }
            let url = try bench.url()
            try await bench.leaving(by: bench.egress(proxy: proxy.port)) { client in
                let error = try await providerError { try await client.start(url) }
                #expect(error.code == .transient)
                #expect(error.retryAfter == nil && error.upstream == nil)
                #expect(error.detail.contains("the proxy on the way out"))
            }
            #expect(proxy.calls.count == 1 && bench.server.calls.isEmpty)
            #expect(bench.failures(reason) == 1)
            try await proxy.stop()
        }
    }

    @Test func aProxyThatDoesNotAnswerIsATimeout() async throws {
        try await EgressBench.with(connectTimeout: .milliseconds(200)) { bench in
            let proxy = try await RawServer.start { _, _ in [] }
            let url = try bench.url()
            try await bench.leaving(by: bench.egress(proxy: proxy.port)) { client in
                let error = try await providerError { try await client.start(url) }
                #expect(error.code == .transient && error.problem == .upstreamTimeout)
            }
            #expect(bench.failures("timeout") == 1)
            try await proxy.stop()
        }
    }

    @Test func aProxyThatCannotBeReached() async throws {
        try await EgressBench.with { bench in
            let port = try #require(ClosedPort())
            let url = try bench.url()
            try await bench.leaving(by: bench.egress(proxy: port.url.port)) { client in
                let error = try await providerError { try await client.start(url) }
                #expect(error.code == .transient)
                #expect(error.detail == "upstream.test was not asked: the proxy on the way out cannot be reached.")
            }
            #expect(bench.failures("unreachable") == 1)
        }
    }

    @Test func aHostThatMayNotBeCalledIsNotToldToTheProxy() async throws {
        try await EgressBench.with { bench in
            let proxy = try await ConnectProxy.start(to: bench.server.port)
            let other = try bench.url("other.test")
            try await bench.leaving(by: bench.egress(proxy: proxy.port)) { client in
                let error = try await providerError { try await client.get(other) }
                #expect(error.code == .permanent)
            }
            #expect(proxy.calls.all.isEmpty)
            try await proxy.stop()
        }
    }

    @Test func connectionsAreNotSharedByTwoWaysOut() async throws {
        try await EgressBench.with { bench in
            let (first, second) = (
                try await ConnectProxy.start(to: bench.server.port), try await ConnectProxy.start(to: bench.server.port)
            )
            let url = try bench.url()
            try await bench.leaving(by: bench.egress(proxy: first.port)) { one in
                try await bench.leaving(by: bench.egress(proxy: second.port)) { other in
                    for client in [one, other, one, other] {
                        let answer = try await client.get(url)
                        #expect(answer.status == 200)
                    }
                }
            }
            // Each has kept its own connection for its second call.
            #expect(first.calls.all.count == 1)
            #expect(second.calls.all.count == 1)
            #expect(bench.peers.all.count == 2)
            try await first.stop()
            try await second.stop()
        }
    }

    @Test func exceptionsAndThisMachineGoDirectly() async throws {
        try await EgressBench.with(certificate: "DNS:localhost") { bench in
            let proxy = try await ConnectProxy.start(to: bench.server.port)
            let near = try bench.url("localhost")
            var egress = try bench.egress(proxy: proxy.port)
            egress.proxy?.exceptions = [try #require(ProxyException(".upstream.test"))]
            let chosen = egress
            try await bench.leaving(by: chosen, to: ["localhost"]) { client in
                #expect(try await client.get(near).status == 200)
                // Exceptions use the same connections as what is near.
                let (transport, name) = (client.transport, try bench.url())
                let exception = try bench.url("below.upstream.test")
                #expect(transport.client(for: exception) === transport.client(for: near))
                #expect(transport.client(for: exception) !== transport.client(for: name))
                #expect(transport.proxy(for: exception)?.url == nil)
                #expect(transport.proxy(for: name)?.url.port == proxy.port)
            }
            #expect(proxy.calls.all.isEmpty)
            #expect(bench.server.calls.count == 1)
            try await proxy.stop()
        }
    }

    @Test(arguments: [true, false])
    func connectionsComeFromTheSourceAddress(throughProxy: Bool) async throws {
        try await EgressBench.with(certificate: "DNS:upstream.test, IP:127.0.0.1") { bench in
            let proxy = try await ConnectProxy.start(to: bench.server.port)
            let host = throughProxy ? EgressBench.name : "127.0.0.1"
            let url = try bench.url(host)
            var egress = try bench.egress(proxy: throughProxy ? proxy.port : nil)
            egress.sourceAddress = "127.0.0.2"
            let chosen = egress
            let answer = try await bench.leaving(by: chosen, to: [host]) { client in try await client.get(url) }
            #expect(answer.status == 200)
            #expect((throughProxy ? proxy.calls.all.map(\.peer) : bench.peers.all) == ["127.0.0.2"])
            try await proxy.stop()
        }
    }

    private func expectNoCredentials(in bench: EgressBench) {
        #expect(!bench.logs.entries.isEmpty)
        for entry in bench.logs.entries {
            let text = "\(entry.message) \(entry.metadata)"
            #expect(!text.contains("pass-word-1") && !text.contains("Z2F0ZXdheTpw"), "\(entry.message)")
        }
    }
}
