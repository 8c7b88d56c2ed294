import CallerIdentity
import Exports
import HTTPTypes
import JSON
import ManualClock
import SystemCrypto
import Telemetry
import Testing

@testable import GatewayAPI

/// The limits of callers, where a task answers.
@Suite struct CallerLimitTests {
    private func gateway(_ time: ManualTime = ManualTime(), _ limit: (inout CallerLimits) -> Void) -> TestGateway {
        var limits = CallerLimitTable()
        limit(&limits.others)
        limits.callers["free"] = CallerLimits()
        return TestGateway(
            time: time,
            service: FakeExportService(time: time) { _ throws(GatewayError) in fileBody(["abc"], contentLength: 3) }
        ) { settings in
            settings.limits = limits
            settings.apiKeys = ["one", "other", "free"].map { APIKey(id: $0, sha256: SHA256.hash(Array($0.utf8))) }
        }
    }

    private func by(_ caller: String, _ more: HTTPFields = [:]) -> HTTPFields {
        var fields = more
        fields[.authorization] = "Bearer \(caller)"
        return fields
    }

    @Test func requestsBeyondTheLimitAreRefused() async throws {
        let time = ManualTime()
        let gateway = gateway(time) { ($0.requestsPerMinute, $0.requestBurst) = (60, 2) }
        let first = try await gateway.call(.get, "/exports", headers: by("one"))
        #expect(first.status == 200)
        #expect(first.headers[.rateLimitPolicy] == #""requests";q=60;qu="requests";w=60"#)
        #expect(first.headers[.rateLimit] == #""requests";r=1;t=1"#)
        // What is forbidden counts too; what has a wrong credential is nobody's.
        #expect(try await gateway.call(.get, "/exports", headers: by("wrong")).status == 401)
        #expect(try await gateway.call(.put, "/exports/x/submission", headers: by("one")).status == 403)
        let refused = try await gateway.call(.get, "/exports", headers: by("one"))
        #expect(refused.status == 429)
        #expect(refused.headers[.retryAfter] == "1")
        #expect(refused.headers[.rateLimit] == #""requests";r=0;t=1"#)
        #expect(refused.json["code"]?.string == "too-many-requests")
        #expect(refused.json["quota"]?["name"]?.string == "requests")
        #expect(refused.json["quota"]?["window"] == .integer(60))
        #expect(try await gateway.call(.get, "/exports", headers: by("other")).status == 200)
        for _ in 0..<5 {
            let free = try await gateway.call(.get, "/exports", headers: by("free"))
            #expect(free.status == 200)
            #expect(free.headers[.rateLimit] == nil)
        }
        time.advance(by: .seconds(1))
        #expect(try await gateway.call(.get, "/exports", headers: by("one")).status == 200)
        #expect(gateway.registry.text().contains(#"export_gateway_caller_limit_refusals_total{limit="requests"} 1"#))
    }

    @Test func nothingIsLimitedByDefault() async throws {
        let gateway = gateway { _ in }
        for _ in 0..<50 {
            let answer = try await gateway.call(.get, "/exports", headers: by("one"))
            #expect(answer.status == 200)
            #expect(answer.headers[.rateLimit] == nil && answer.headers[.rateLimitPolicy] == nil)
        }
    }

    @Test func bytesBeyondTheLimitAreRefusedAtTheStart() async throws {
        let time = ManualTime()
        let gateway = gateway(time) { ($0.downloadBytes, $0.downloadPeriod) = (4, .seconds(60)) }
        let export = gateway.service.put(.succeeded) { export in
            export.createdBy = "one"
            export.files = [ExportFile(id: "1", name: "a.csv", size: 3)]
        }
        let path = "/exports/\(export.id)/files/1"
        for _ in 0..<2 {
            let whole = try await gateway.call(.get, path, headers: by("one"))
            #expect(whole.status == 200)
            #expect(whole.body == "abc")
        }
        let refused = try await gateway.call(.get, path, headers: by("one"))
        #expect(refused.status == 429)
        #expect(refused.json["quota"]?["name"]?.string == "download-bytes")
        #expect(refused.json["quota"]?["unit"]?.string == "content-bytes")
        // Two bytes are owed, which come back in half a minute.
        let wait = try #require(refused.headers[.retryAfter].flatMap { Int($0) })
        #expect((30...60).contains(wait))
        #expect(try await gateway.call(.head, path, headers: by("one")).status == 200)
        time.advance(by: .seconds(wait))
        #expect(try await gateway.call(.get, path, headers: by("one")).status == 200)
    }

    @Test func waitsBeyondTheLimitAreRefused() throws {
        var limits = CallerLimitTable()
        limits.others.waits = 2
        let limiter = CallerLimiter(limits, time: ManualTime(), metrics: PrometheusRegistry())
        var places = [try limiter.wait(of: "one"), try limiter.wait(of: "one")]
        let error = #expect(throws: GatewayError.self) { try limiter.wait(of: "one") }
        #expect(error?.members == .quota(Quota(.waits, limit: 2)))
        #expect(throws: Never.self) { try limiter.wait(of: "other") }
        places.removeLast()
        #expect(throws: Never.self) { try limiter.wait(of: "one") }
    }

    @Test func eachReplicaHasItsPart() throws {
        var limits = CallerLimitTable()
        (limits.others.requestsPerMinute, limits.others.requestBurst, limits.others.waits) = (60, 9, 2)
        let limiter = CallerLimiter(limits, time: ManualTime(), replicas: { 3 }, metrics: PrometheusRegistry())
        for _ in 0..<3 { _ = try limiter.request(by: "one") }
        #expect(throws: GatewayError.self) { try limiter.request(by: "one") }
        let place = try limiter.wait(of: "one")
        #expect(throws: GatewayError.self) { try limiter.wait(of: "one") }
        withExtendedLifetime(place) {}
    }

    @Test func whatIsPassedOnIsCountedOnce() throws {
        var limits = CallerLimitTable()
        (limits.others.requestsPerMinute, limits.others.requestBurst) = (60, 1)
        let limiter = CallerLimiter(limits, time: ManualTime(), metrics: PrometheusRegistry())
        for _ in 0..<3 {
            #expect(try limiter.request(by: "one")?.left == 0)
            limiter.passesOn(requestBy: "one")
        }
        #expect(throws: Never.self) { try limiter.request(by: "one") }
        #expect(throws: GatewayError.self) { try limiter.request(by: "one") }
    }
}
