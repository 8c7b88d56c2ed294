import Exports
import JSON
import ManualClock
import MicrosoftSandbox
import NIOCore
import NIOHTTP1
import Testing

@Suite struct GoalsTests {
    static let request: JSONValue = [
        "goalsOrganizationId": .string(SandboxSeed.goalsOrganizationID),
        "explorerViewId": .string(SandboxSeed.explorerViewID),
    ]
    static let user = SandboxSeed.delegatedToken

    @Test func onlyUsersMayExport() async throws {
        try await withLab { lab in
            let application = try await lab.token(Lab.graphScope)
            let refused = try await lab.post(lab.goals, token: application, Self.request)
            #expect(refused.status == 403)
            #expect(refused.json["error"]?["code"] == "forbidden")
            #expect(try await lab.post(lab.goals, Self.request).status == 401)
            #expect(try await lab.post(lab.goals, token: Self.user, Self.request).status == 201)
        }
    }

    @Test func aJobWalksToItsContent() async throws {
        try await withLab { lab in
            let start = try await lab.post(lab.goals, token: Self.user, Self.request)
            let id = try #require(start.json["id"]?.string)
            #expect(id.hasPrefix("j!"))
            #expect(start.json["status"] == "notStarted")
            #expect(start.location == "\"\(lab.addresses.api)/beta/employeeexperience/goals/exportJobs/\(id)\"")
            lab.time.advance(by: .seconds(1))
            let running = try await lab.get("\(lab.goals)/\(id)", token: Self.user)
            #expect(running.json["status"] == "running")
            #expect(running.headers.first(name: "Retry-After") == "1")
            #expect(try await lab.get("\(lab.goals)/\(id)/content", token: Self.user).status == 400)
            lab.finishJobs()
            let done = try await lab.get("\(lab.goals)('\(id)')", token: Self.user)
            #expect(done.json["status"] == "succeeded")
            #expect(!done.headers.contains(name: "Retry-After"))
            #expect(done.json["expirationDateTime"] == "2026-05-29T20:26:40.12Z")
            let url = try #require(done.json["resourceLocation"]?.string)
            let content = try await lab.get(url, token: Self.user)
            #expect(content.status == 200)
            #expect(content.headers.first(name: "Content-Type") == "text/csv")
            #expect(content.headers.first(name: "Content-Length") == "65536")
            #expect(content.text.hasPrefix("Key,Row,Owner,Status,Progress"))
            lab.time.advance(by: .seconds(24 * 3600))
            #expect(try await lab.get(url, token: Self.user).status == 404)
        }
    }

    @Test func oneJobRunsForAView() async throws {
        try await withLab { lab in
            let first = try await lab.post(lab.goals, token: Self.user, Self.request)
            let second = try await lab.post(lab.goals, token: Self.user, Self.request)
            #expect(second.status == 409)
            #expect(second.location == first.location)
            let error = second.json["error"]
            #expect(error?["code"] == "notAllowed")
            #expect(error?["target"] == first.json["id"])
            #expect(error?["innererror"]?["code"] == "exportJobAlreadyExists")
            let otherView: JSONValue = [
                "goalsOrganizationId": .string(SandboxSeed.goalsOrganizationID),
                "explorerViewId": "00000000-0000-4000-8000-000000000001",
            ]
            #expect(try await lab.post(lab.goals, token: Self.user, otherView).status == 201)
            lab.finishJobs()
            #expect(try await lab.post(lab.goals, token: Self.user, Self.request).status == 201)
            #expect(lab.sandbox.account.jobs.count == 3)
        }
    }

    @Test func refusesInItsOwnWords() async throws {
        try await withLab { lab in
            let missing = try await lab.post(lab.goals, token: Self.user, ["goalsOrganizationId": "x"])
            #expect(missing.status == 400)
            #expect(missing.json["error"]?["innerError"]?["code"] == "invalidGoalsOrganizationId")
            let unknown = try await lab.post(
                lab.goals,
                token: Self.user,
                ["goalsOrganizationId": "00000000-0000-4000-8000-000000000001"]
            )
            #expect(unknown.status == 404)
            #expect(unknown.json["error"]?["innerError"]?["code"] == "goalsOrganizationIdNotFound")
            let job = try await lab.get("\(lab.goals)/j!abc", token: Self.user)
            #expect(job.status == 404)
            #expect(job.json["error"]?["innerError"]?["code"] == "exportJobNotFound")
            let malformed = try await lab.get("\(lab.goals)/a.b", token: Self.user)
            #expect(malformed.status == 400)
            #expect(malformed.json["error"]?["message"] == "Invalid JobKey specified")
        }
    }

    @Test func listsByOrganization() async throws {
        try await withLab { lab in
            _ = try await lab.post(lab.goals, token: Self.user, Self.request)
            func list(_ filter: String) async throws -> Reply {
                try await lab.get("\(lab.goals)?$filter=\(filter)", token: Self.user)
            }
            let mine = try await list("goalsOrganizationId%20eq%20'\(SandboxSeed.goalsOrganizationID)'")
            #expect(mine.json["value"]?.array?.count == 1)
            #expect(try await list("goalsOrganizationId+eq+'x'").json["value"] == [])
            let refused = try await list("explorerViewId%20eq%20'x'")
            #expect(refused.status == 400)
            #expect(refused.json["error"]?["message"] == "Invalid filter keys found: explorerViewId")
        }
    }

    @Test func quirksOnRequest() async throws {
        try await withLab { lab in
            lab.sandbox.addRule(SandboxRule(operation: "goals.get", times: 1, fault: .wrappedEntity))
            lab.sandbox.addRule(SandboxRule(operation: "goals.get", times: 1, fault: .unknownStatus("skipped")))
            lab.sandbox.addRule(SandboxRule(operation: "viva-goals.start", fault: .idWithReserved))
            let start = try await lab.post(lab.goals, token: Self.user, Self.request)
            let id = try #require(start.json["id"]?.string)
            #expect(id.contains("+/="))
            let url = "\(lab.goals)/\(id.replacing("/", with: "%2F"))"
            let wrapped = try await lab.get(url, token: Self.user)
            #expect(wrapped.json["value"]?["status"] == "skipped")
            let bare = try await lab.get(url, token: Self.user)
            #expect(bare.json["status"] == "notStarted")
        }
    }
}
