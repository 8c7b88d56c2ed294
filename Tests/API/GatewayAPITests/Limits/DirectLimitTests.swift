import Exports
import Synchronization
import Testing

@testable import GatewayAPI

/// The limits of callers, where requests are answered on the event loop.
@Suite struct DirectLimitTests {
    private func connection(
        _ status: ExportStatus = .succeeded,
        files: Int = 1,
        _ limit: (inout CallerLimits) -> Void
    ) throws -> DirectConnection {
        var limits = CallerLimitTable()
        limit(&limits.others)
        return try DirectConnection(status, files: files) { $0.limits = limits }
    }

    @Test func requestsBeyondTheLimitAreRefusedAtOnce() throws {
        let connection = try connection { ($0.requestsPerMinute, $0.requestBurst) = (60, 2) }
        try connection.ask()
        let first = try connection.sent()
        #expect(first.contains("RateLimit-Policy: \"requests\";q=60;qu=\"requests\";w=60\r\n"))
        #expect(first.contains("RateLimit: \"requests\";r=1;t=1\r\n"))
        try connection.ask("HEAD")
        #expect(try connection.statuses() == [200])
        try connection.ask()
        let refused = try connection.sent()
        #expect(refused.hasPrefix("HTTP/1.1 429 "))
        #expect(refused.contains("Retry-After: 1\r\n"))
        #expect(refused.contains("\"name\":\"requests\""))
        #expect(refused.contains("\"instance\":\"/exports/\(connection.export.id)\""))
        try connection.ask("HEAD")
        let head = try connection.sent()
        #expect(head.hasPrefix("HTTP/1.1 429 "))
        #expect(head.hasSuffix("\r\n\r\n"))
        let body = #"{"provider":"power-bi","powerBI":{}}"#
        try connection.ask(
            "POST",
            "/exports",
            ["content-type: application/json", "content-length: \(body.utf8.count)"],
            body: body
        )
        #expect(try connection.statuses() == [429])
        #expect(try connection.passed().isEmpty)
    }

    @Test func whatIsPassedOnIsNotCountedHere() throws {
        let connection = try connection(files: 101) { ($0.requestsPerMinute, $0.requestBurst) = (60, 1) }
        for _ in 0..<3 {
            try connection.ask()
            #expect(try connection.passed().count == 2)
            try connection.answerFromBehind()
            _ = try connection.sent()
        }
        #expect(throws: Never.self) { try connection.gateway.api.callers.current.limiter.request(by: "anonymous") }
    }

    @Test func waitsBeyondTheLimitAreRefused() throws {
        let connection = try connection(.running) { $0.waits = 1 }
        let limiter = connection.gateway.api.callers.current.limiter
        var place = try limiter.wait(of: "anonymous")
        try connection.ask("GET", nil, ["prefer: wait=30"])
        let refused = try connection.sent()
        #expect(refused.hasPrefix("HTTP/1.1 429 "))
        #expect(refused.contains("\"name\":\"waits\""))
        withExtendedLifetime(place) {}
        place = nil
        try connection.ask("GET", nil, ["prefer: wait=30"])
        #expect(try connection.sent().isEmpty)
        #expect(throws: GatewayError.self) { try limiter.wait(of: "anonymous") }
        connection.gateway.service.state.withLock { $0.watches }.last?.tell(nil)
        connection.run()
        #expect(try connection.statuses() == [200])
        #expect(throws: Never.self) { try limiter.wait(of: "anonymous") }
    }

    @Test func theNextRequestOfAConnectionTakesThePlace() throws {
        let connection = try connection(.running) { $0.waits = 1 }
        for _ in 0..<2 { try connection.ask("GET", nil, ["prefer: wait=30"]) }
        #expect(try connection.sent().isEmpty)
        for _ in 0..<2 {
            connection.gateway.service.state.withLock { $0.watches }.last?.tell(nil)
            connection.run()
            #expect(try connection.statuses() == [200])
        }
        #expect(try connection.passed().isEmpty)
        #expect(throws: Never.self) {
            try connection.gateway.api.callers.current.limiter.wait(of: "anonymous")
        }
    }
}
