import Exports
import JSON
import ManualClock
import MicrosoftSandbox
import NIOCore
import NIOHTTP1
import Testing

/// Rules about starts: what happened, what is told of it, and when it can be seen.
@Suite struct StartFaultTests {
    private static let search = "/searches/\(SandboxSeed.searchID)/exportResult"

    private func start(_ lab: Lab, _ token: String) async throws -> Reply {
        try await lab.post(lab.security + Self.search, token: token, GraphExportTests.result)
    }

    private func listed(_ lab: Lab, _ token: String) async throws -> Int? {
        try await lab.get("\(lab.security)/operations", token: token).json["value"]?.array?.count
    }

    @Test(arguments: [false, true])
    func anErrorMayHaveStartedTheJobOrNot(started: Bool) async throws {
        try await withLab { lab in
            let token = try await lab.token(Lab.graphScope)
            lab.sandbox.addRule(
                SandboxRule(operation: "graph.start", times: 1, fault: .status(504, body: "late", started: started))
            )
            let reply = try await start(lab, token)
            #expect(reply.status == 504)
            #expect(reply.text == "late")
            #expect(lab.sandbox.account.jobs.count == (started ? 1 : 0))
            #expect(try await listed(lab, token) == (started ? 1 : 0))
        }
    }

    @Test func listsShowAJobLate() async throws {
        try await withLab { lab in
            let token = try await lab.token(Lab.graphScope)
            lab.sandbox.addRule(SandboxRule(operation: "*.start", fault: .listLag(seconds: 45)))
            let location = try #require(try await start(lab, token).location)
            _ = try await lab.post(lab.goals, token: GoalsTests.user, GoalsTests.request)
            for (seconds, count) in [(44, 0), (1, 1)] as [(Int, Int)] {
                lab.time.advance(by: .seconds(seconds))
                #expect(try await listed(lab, token) == count)
                let goals = try await lab.get(lab.goals, token: GoalsTests.user).json["value"]?.array
                #expect(goals?.count == count)
                #expect(try await lab.get(location, token: token).status == 200)
            }
        }
    }

    @Test(arguments: SandboxLocation.allCases)
    func theJobIsToldElsewhere(place: SandboxLocation) async throws {
        try await withLab { lab in
            let token = try await lab.token(Lab.graphScope)
            lab.sandbox.addRule(SandboxRule(operation: "graph.start", fault: .location(place)))
            let reply = try await start(lab, token)
            let id = try #require(lab.sandbox.account.jobs.first?.id)
            #expect(reply.status == 202)
            #expect(reply.location == nil)
            let other = reply.headers.first(name: "Operation-Location")
            #expect((other?.contains(id) ?? false) == (place == .operationLocation))
            #expect(reply.json["id"]?.string == (place == .body ? id : nil))
        }
    }

    @Test func anAcceptanceWithoutABody() async throws {
        try await withLab { lab in
            let token = try await lab.token(Lab.powerBIScope)
            lab.sandbox.addRule(SandboxRule(operation: "power-bi.start", fault: .emptyBody))
            let report = "\(lab.reports)/\(SandboxSeed.powerBIReportID)"
            let reply = try await lab.post("\(report)/ExportTo", token: token, ["format": "PDF"])
            #expect(reply.status == 202)
            #expect(reply.body.readableBytes == 0)
            let id = try #require(lab.sandbox.account.jobs.first?.id)
            #expect(reply.location == "\(report)/exports/\(id)")
        }
    }

    @Test func onlyAReusedConnectionIsReset() async throws {
        try await withLab { lab in
            for (connection, fault) in [
                (SandboxConnection.reused, SandboxFault.cutConnection(started: false, reset: true)),
                (.fresh, .status(418)),
            ] {
                lab.sandbox.addRule(SandboxRule(operation: "goals.list", connection: connection, fault: fault))
            }
            let raw = try await RawExchange.twice(lab.goals, token: GoalsTests.user, lab.addresses.api)
            #expect(raw.head.hasPrefix("HTTP/1.1 418"))
            #expect(raw.wasReset)
            #expect(lab.sandbox.account.calls.map(\.status) == [418, 0])
        }
    }
}
