import CallerIdentity
import Exports
import HTTPTypes
import JSON
import ManualClock
import Synchronization
import SystemCrypto
import Testing

@testable import GatewayAPI

/// Callers and their limits that change while the gateway runs.
@Suite struct CurrentCallersTests {
    private static func key(_ id: String, _ permissions: Permissions = .ownExports) -> APIKey {
        APIKey(id: id, sha256: SHA256.hash(Array(id.utf8)), permissions: permissions)
    }

    private func by(_ caller: String) -> HTTPFields { [.authorization: "Bearer \(caller)"] }

    /// The settings of a gateway, changed.
    private func settings(_ gateway: TestGateway, _ change: (inout APISettings) -> Void) -> APISettings {
        var settings = gateway.settings
        change(&settings)
        return settings
    }

    @Test func theNextRequestSeesOtherCallers() async throws {
        let gateway = TestGateway { $0.apiKeys = [Self.key("one"), Self.key("other")] }
        for caller in ["one", "other"] {
            #expect(try await gateway.call(.get, "/exports", headers: by(caller)).status == 200)
        }
        gateway.api.takeCallers(
            of: settings(gateway) { $0.apiKeys = [Self.key("one", Permissions([.create])), Self.key("new")] }
        )
        #expect(try await gateway.call(.get, "/exports", headers: by("one")).status == 403)
        #expect(try await gateway.call(.get, "/exports", headers: by("other")).status == 401)
        #expect(try await gateway.call(.get, "/exports", headers: by("new")).status == 200)
    }

    /// The last caller of a connection is known without its key being looked at again: not beyond a reload.
    @Test func aKeptConnectionSeesOtherCallers() throws {
        let connection = try DirectConnection { $0.apiKeys = [Self.key("tests")] }
        let lines = ["authorization: Bearer tests"]
        for _ in 0..<2 {
            try connection.ask("GET", nil, lines)
            #expect(try connection.statuses() == [200])
        }
        let gateway = connection.gateway
        gateway.api.takeCallers(of: settings(gateway) { $0.apiKeys = [Self.key("another")] })
        // It is passed on to where it is refused.
        try connection.ask("GET", nil, lines)
        #expect(try connection.passed().count == 2)
        #expect(try connection.sent().isEmpty)
    }

    @Test func whatWasUsedStaysUsed() async throws {
        let time = ManualTime()
        let gateway = TestGateway(time: time) { settings in
            settings.apiKeys = [Self.key("one")]
            (settings.limits.others.requestsPerMinute, settings.limits.others.requestBurst) = (60, 3)
        }
        for _ in 0..<2 { #expect(try await gateway.call(.get, "/exports", headers: by("one")).status == 200) }
        gateway.api.takeCallers(of: settings(gateway) { $0.limits.others.requestBurst = 2 })
        let refused = try await gateway.call(.get, "/exports", headers: by("one"))
        #expect(refused.status == 429)
        #expect(refused.headers[.rateLimitPolicy] == #""requests";q=60;qu="requests";w=60"#)
        gateway.api.takeCallers(of: settings(gateway) { $0.limits = CallerLimitTable() })
        let free = try await gateway.call(.get, "/exports", headers: by("one"))
        #expect(free.status == 200 && free.headers[.rateLimit] == nil)
        gateway.api.takeCallers(of: gateway.settings)
        #expect(try await gateway.call(.get, "/exports", headers: by("one")).status == 200)
        #expect(try await gateway.call(.get, "/exports", headers: by("one")).status == 429)
    }

    /// A wait has its place also where the limit changes, and gives it back.
    @Test func aPlaceIsGivenBackAfterAReload() throws {
        let gateway = TestGateway { $0.limits.others.waits = 1 }
        let former = gateway.api.callers.current.limiter
        let place = try former.wait(of: "one")
        gateway.api.takeCallers(of: settings(gateway) { $0.limits.others.waits = 2 })
        let limiter = gateway.api.callers.current.limiter
        let second = try limiter.wait(of: "one")
        #expect(throws: GatewayError.self) { try limiter.wait(of: "one") }
        place?.giveBack()
        #expect(throws: Never.self) { try limiter.wait(of: "one") }
        withExtendedLifetime(second) {}
    }

    /// Who creates is told how many it may create, by the same callers that let it in.
    @Test func theLimitOfCreatesGoesWithTheRequest() async throws {
        let gateway = TestGateway { settings in
            settings.apiKeys = [Self.key("one")]
            settings.limits.others.createsPerDay = 7
        }
        let body = #"{"provider":"power-bi","powerBI":{}}"#
        for limit in [7, 9] {
            gateway.api.takeCallers(of: settings(gateway) { $0.limits.others.createsPerDay = limit })
            _ = try await gateway.create(body, headers: by("one"))
            #expect(gateway.service.state.withLock { $0.creators }.last?.createsPerDay == limit)
        }
    }

    @Test func withTheFirstCallerEveryHostIsAnswered() async throws {
        let gateway = TestGateway(time: SystemTime()) { $0.hosts = [] }
        #expect(gateway.api.callers.current.localHosts != nil)
        gateway.api.takeCallers(
            of: settings(gateway) { settings in
                settings.apiKeys = [Self.key("one")]
                settings.hosts = nil
            }
        )
        #expect(gateway.api.callers.current.localHosts == nil)
        #expect(try await gateway.call(.get, "/exports").status == 401)
        gateway.api.takeCallers(of: gateway.settings)
        #expect(gateway.api.callers.current.localHosts != nil)
    }
}
