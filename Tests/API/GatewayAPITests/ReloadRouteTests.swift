import Exports
import HTTPTypes
import JSON
import Testing

@testable import GatewayAPI

/// `POST /reload` on the listener for the platform.
@Suite struct ReloadRouteTests {
    private func gateway(_ outcome: ReloadOutcome) -> TestGateway {
        TestGateway(reload: FakeReload(outcome)) { $0.operations = .init(host: "127.0.0.1", port: 0) }
    }

    @Test func whatChangedIsTold() async throws {
        let answer = try await gateway(.applied(changed: ["log.level", "server.limits.waits"]))
            .callPlatform(.post, "/reload")
        #expect(answer.status == 200)
        #expect(answer.json["changed"] == .array(["log.level", "server.limits.waits"]))
        #expect(answer.headers[.cacheControl] == "no-store")
        let unchanged = try await gateway(.applied(changed: [])).callPlatform(.post, "/reload")
        #expect(unchanged.status == 200)
        #expect(unchanged.json["changed"] == .array([]))
    }

    @Test(arguments: [
        (
            ReloadOutcome.invalid([ConfigurationFault(key: "server.port", detail: "must be less")]),
            "invalid-configuration"
        ),
        (.restartNeeded([ConfigurationFault(key: "server.port", detail: "must be less")]), "restart-needed"),
    ])
    func theKeysInTheWayAreNamed(outcome: ReloadOutcome, code: String) async throws {
        let answer = try await gateway(outcome).callPlatform(.post, "/reload")
        #expect(answer.status == 422)
        #expect(answer.code == code)
        #expect(answer.json["configuration"]?.array?.count == 1)
        #expect(answer.json["configuration"]?.array?.first?["key"]?.string == "server.port")
        #expect(answer.json["configuration"]?.array?.first?["detail"]?.string == "must be less")
    }

    @Test func whileItStartsOrStopsNothingIsReloaded() async throws {
        let answer = try await gateway(.notNow).callPlatform(.post, "/reload")
        #expect(answer.status == 503)
        #expect(answer.code == "unavailable")
        #expect(answer.headers[.retryAfter] == "5")
    }

    /// A browser sends `Origin` with each POST of a page.
    @Test func noPageMayAskForIt() async throws {
        let reload = FakeReload(.applied(changed: []))
        let gateway = TestGateway(reload: reload) { $0.operations = .init(host: "127.0.0.1", port: 0) }
        for origin in ["https://example.com", "http://localhost:9090", "null"] {
            let answer = try await gateway.callPlatform(.post, "/reload", headers: [.origin: origin])
            #expect(answer.status == 403)
            #expect(answer.code == "forbidden")
        }
        #expect(reload.asked == 0)
        #expect(try await gateway.callPlatform(.get, "/reload").status == 405)
    }

    @Test func callersHaveNoSuchRoute() async throws {
        #expect(try await gateway(.applied(changed: [])).call(.post, "/reload").status == 404)
        #expect(try await TestGateway(reload: FakeReload(.applied(changed: []))).call(.post, "/reload").status == 404)
    }
}
