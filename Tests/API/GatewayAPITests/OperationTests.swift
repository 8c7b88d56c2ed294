import Exports
import HTTPTypes
import JSON
import Testing

@testable import GatewayAPI

/// `/exports/{id}/operation`, by which Azure's clients follow an export.
@Suite struct OperationTests {
    @Test(
        "every end is an end to them",
        arguments: [
            (.notStarted, "NotStarted", false), (.running, "Running", false), (.unknown, "Running", false),
            (.unknown, "Failed", true), (.succeeded, "Succeeded", false), (.partiallySucceeded, "Succeeded", true),
            (.failed, "Failed", true), (.failed, "Failed", false), (.canceled, "Canceled", false),
            (.canceled, "Canceled", true), (.expired, "Failed", false), (.expired, "Failed", true),
        ] as [(ExportStatus, String, Bool)]
    )
    func everyEndIsAnEnd(status: ExportStatus, expected: String, hasError: Bool) async throws {
        let gateway = TestGateway()
        let hasEnded = ["Succeeded", "Failed", "Canceled"].contains(expected)
        let export = gateway.service.put(status) {
            if hasEnded { $0.completedAt = $0.createdAt }
            if hasError { $0.error = ExportFailure(.submissionUnconfirmed, "It is not known.") }
        }
        let answer = try await gateway.call(.get, "/exports/\(export.id)/operation")
        #expect(answer.status == 200)
        #expect(answer.json["id"]?.string == "\(export.id)")
        #expect(answer.json["status"]?.string == expected)
        #expect(answer.json["resourceLocation"] == nil)
        let hasFailed = ["Failed", "Canceled"].contains(expected)
        #expect((answer.json["error"] != nil) == hasFailed)
        #expect((answer.json["error"]?["code"]?.string?.isEmpty == false) == hasFailed)
        #expect((answer.json["error"]?["message"]?.string?.isEmpty == false) == hasFailed)
        if hasFailed, hasError {
            #expect(answer.json["error"] == ["code": "submission-unconfirmed", "message": "It is not known."])
        }
        // It is not asked for again when, and only when, it has ended.
        #expect((answer.headers[.retryAfter] == nil) == hasEnded)
        #expect(export.isFinal == hasEnded)
    }

    @Test func theClientsVersionIsRespected() async throws {
        let gateway = TestGateway()
        let export = gateway.service.put(.running)
        let first = try await gateway.call(.get, "/exports/\(export.id)/operation")
        let tag = try #require(first.headers[.eTag])
        let again = try await gateway.call(.get, "/exports/\(export.id)/operation", headers: [.ifNoneMatch: tag])
        #expect(again.status == 304)
        #expect(again.body.isEmpty)
        #expect(again.headers[.retryAfter] == "3")
        let held = try await gateway.call(.get, "/exports/\(export.id)/operation", headers: [.prefer: "wait=0"])
        #expect(held.headers[.preferenceApplied] == "wait=0")
    }
}
