import HTTPFields
import Exports
import HTTPTypes
import JSON
import Synchronization
import Testing

@testable import GatewayAPI

/// `PUT /exports/{id}/submission`.
@Suite struct ResolveTests {
    private func put(
        _ gateway: TestGateway,
        _ id: ExportID,
        _ body: String,
        headers: HTTPFields = [:]
    ) async throws -> Answer {
        var headers = headers
        if headers[.contentType] == nil { headers[.contentType] = "application/json" }
        return try await gateway.call(.put, "/exports/\(id)/submission", headers: headers, body: body)
    }

    @Test func handsADecisionOn() async throws {
        let gateway = TestGateway()
        let export = gateway.service.put(.unknown)
        for (body, decision) in [
            ("{\"outcome\":\"started\",\"upstreamId\":\"job-1\"}", SubmissionDecision.started(upstreamID: "job-1")),
            ("{\"outcome\":\"notStarted\"}", .notStarted), ("{\"outcome\":\"abandoned\"}", .abandoned),
        ] {
            let answer = try await put(gateway, export.id, body)
            #expect(answer.status == 200)
            #expect(answer.json["id"]?.string == "\(export.id)")
            #expect(answer.headers[.eTag] != nil)
            #expect(gateway.service.state.withLock { $0.decisions.last } == decision)
        }
    }

    @Test(arguments: [
        ("", "malformed-request", []), ("[]", "invalid-export", ["", "/outcome"]),
        ("{}", "invalid-export", ["/outcome"]),
        ("{\"outcome\":\"maybe\"}", "invalid-export", ["/outcome"]),
        ("{\"outcome\":\"started\"}", "invalid-export", ["/upstreamId"]),
        ("{\"outcome\":\"started\",\"upstreamId\":\"\"}", "invalid-export", ["/upstreamId"]),
        ("{\"outcome\":\"started\",\"upstreamId\":7}", "invalid-export", ["/upstreamId"]),
        ("{\"outcome\":\"notStarted\",\"upstreamId\":\"x\"}", "invalid-export", ["/upstreamId"]),
        ("{\"outcome\":\"abandoned\",\"reason\":\"x\"}", "invalid-export", ["/reason"]),
    ])
    func refusesWhatIsNone(body: String, code: String, pointers: [String]) async throws {
        let gateway = TestGateway()
        let export = gateway.service.put(.unknown)
        let answer = try await put(gateway, export.id, body)
        #expect(answer.code == code)
        #expect(answer.faults.map { String($0.prefix { $0 != ":" }) } == pointers)
        #expect(gateway.service.state.withLock { $0.decisions.isEmpty })
    }

    @Test func wantsJSON() async throws {
        let gateway = TestGateway()
        let export = gateway.service.put(.unknown)
        let answer = try await put(
            gateway,
            export.id,
            "{\"outcome\":\"abandoned\"}",
            headers: [.contentType: "text/plain"]
        )
        #expect(answer.status == 415)
    }

    @Test func saysWhereThereIsNothingToDecide() async throws {
        let gateway = TestGateway()
        let answer = try await put(gateway, gateway.service.put().id, "{\"outcome\":\"abandoned\"}")
        #expect(answer.status == 409)
        #expect(answer.code == "submission-known")
    }

    @Test func aDecisionMayBeAboutOneRevision() async throws {
        let gateway = TestGateway()
        let export = gateway.service.put(.unknown)
        let tag = EntityTag(of: export).field
        let body = "{\"outcome\":\"notStarted\"}"
        #expect(try await put(gateway, export.id, body, headers: [.ifMatch: tag]).status == 200)
        #expect(try await put(gateway, export.id, body, headers: [.ifMatch: "*"]).status == 200)
        gateway.service.change(export.id) { $0.name = "Other" }
        let answer = try await put(gateway, export.id, body, headers: [.ifMatch: tag])
        #expect(answer.status == 412)
        #expect(answer.code == "precondition-failed")
        #expect(gateway.service.state.withLock { $0.decisions.count } == 2)
    }

    @Test func nobodyMayWhoWasNotAllowedTo() async throws {
        let gateway = TestGateway { $0.apiKeys = Visitor.keys }
        let export = gateway.service.put(.unknown) { $0.createdBy = "owner" }
        for (name, status) in [("owner", 403), ("auditor", 403), ("resolver", 404), ("resolving-auditor", 200)] {
            let answer = try await put(
                gateway,
                export.id,
                "{\"outcome\":\"abandoned\"}",
                headers: [.authorization: "Bearer key-of-\(name)"]
            )
            #expect(answer.status == status, "\(name)")
            if status == 403 { #expect(answer.json["permission"]?.string == "Exports.Resolve") }
        }
    }
}
