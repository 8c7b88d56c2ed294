import Exports
import JSON
import Testing
import UpstreamHTTP

@testable import Intune

@Suite struct IntuneStatusTests {
    private static let reference = UpstreamReference(id: "Devices_1")
    private static let now = Timestamp(rfc3339: "2026-03-01T10:05:00Z")

    private func observation(_ members: [String: JSONValue]) throws -> Observation {
        let job = try #require(IntuneJob(.object(members)))
        return job.observation(
            of: Self.reference,
            settings: IntuneSettings(stuckAfter: .seconds(70), maximumJobs: 4),
            at: try #require(Self.now),
            retryAfter: .seconds(9)
        )
    }

    @Test(
        "the words of the enumeration, in any case of their letters",
        arguments: [
            ("notStarted", ExportStatus.notStarted), ("InProgress", .running), ("COMPLETED", .succeeded),
            ("failed", .failed), ("unknown", .unknown), ("complete", .unknown), ("paused", .unknown), ("", .unknown),
        ]
    )
    func words(text: String, status: ExportStatus) { #expect(IntuneStatus.status(text) == status) }

    @Test("a job that has not ended is replaced when it is old, one that failed at once")
    func replacement() throws {
        let rule = JobReplacement(age: .seconds(70), mostJobs: 4)
        for word in ["notStarted", "inProgress", "failed"] {
            let observation = try observation(["status": .string(word)])
            #expect(observation.replacement == rule)
            #expect(observation.upstreamStatus == word)
            #expect(observation.pollAfter == (word == "failed" ? nil : .seconds(9)))
            #expect((observation.failure?.code == .exportFailed) == (word == "failed"))
        }
        #expect(try observation(["status": "unknown"]).replacement == nil)
    }

    @Test("completed with a link: one zip, with the time of its link")
    func completed() throws {
        let observation = try observation([
            "id": "Devices_1", "status": "completed", "url": "https://a.example/x.zip?sig=s",
            "expirationDateTime": "2026-03-01T16:00:51.7654321Z",
        ])
        #expect(observation.status == .succeeded)
        #expect(observation.files == [ExportFile(id: "1", name: "Devices_1.zip", contentType: "application/zip")])
        #expect(observation.expiresAt?.description == "2026-03-01T16:00:51.765Z")
        #expect(observation.replacement == nil)
    }

    @Test("completed without a link is not finished, nor stuck", arguments: [nil, "", JSONValue.null])
    func withoutLink(url: JSONValue?) throws {
        var members: [String: JSONValue] = [
            "status": "completed", "expirationDateTime": "2026-03-01T16:00:51Z",
        ]
        members["url"] = url
        let observation = try observation(members)
        #expect(observation.status == .running)
        #expect(observation.upstreamStatus == "completed")
        #expect(observation.files.isEmpty)
        #expect(observation.replacement == nil)
    }

    @Test("the year 1 is no expiry, a time that has passed is one")
    func expiry() throws {
        func completed(_ time: String) throws -> Observation {
            try observation([
                "status": "completed", "url": "https://a.example/x", "expirationDateTime": .string(time),
            ])
        }
        let unset = try completed("0001-01-01T00:00:00Z")
        #expect(unset.status == .succeeded && unset.expiresAt == nil)
        #expect(try completed("2026-03-01T10:05:00.001Z").status == .succeeded)
        #expect(try completed("2026-03-01T10:05:00Z").status == .expired)
    }

    @Test("members may be missing, and what is no object is no job")
    func sparse() throws {
        #expect(try observation([:]).status == .unknown)
        #expect(IntuneJob(.array([])) == nil)
        #expect(IntuneJob(nil) == nil)
        let long = String(repeating: "s", count: 4000)
        #expect(try observation(["status": .string(long)]).upstreamStatus.utf8.count <= 128)
        #expect(IntuneJob(["id": .string(long)])?.id == nil)
    }

    @Test("a link is not printed")
    func secrecy() throws {
        let job = try #require(IntuneJob(["url": "https://a.example/x?sig=canary"]))
        #expect(!"\(job)".contains("canary"))
    }
}
