import Exports
import JSON
import ScriptedHost
import Testing
import UpstreamHTTP

@testable import VivaGoals

@Suite struct VivaGoalsStatusTests {
    let reference = UpstreamReference(id: "j!x", context: ["name": "Goals of 2025"])

    @Test(
        "every documented status and every other has a place",
        arguments: [
            ("notStarted", ExportStatus.notStarted), ("running", .running), ("succeeded", .succeeded),
            ("failed", .failed), ("unknownFutureValue", .unknown), ("skipped", .unknown), ("Running", .running),
            ("paused", .unknown), ("", .unknown),
        ]
    )
    func states(text: String, status: ExportStatus) {
        #expect(VivaGoalsStatus.status(text) == status)
    }

    @Test("a job under way as captured: bare, with a date of expiry, and the file not yet shown")
    func running() throws {
        let job = try #require(VivaGoalsJob(entity: recordings.json("goals-get-running.response.json")))
        #expect(job.id == "j!kmZP9dp57hGB_7KuYfi6DlCBmj39kL1Cl3clung9SgU")
        #expect(job.createdDateTime == Timestamp(rfc3339: "2023-11-02T23:53:02.051Z"))
        #expect(
            VivaGoalsView(
                organizationID: "3d9a8150-90fd-42bd-9777-25ba783d4a05",
                viewID: "f5b62cb2-5e35-4ba1-862d-9c6cf0c88830"
            )
            .matches(job)
        )
        #expect(job.isUnderWay)
        let observation = job.observation(of: reference, retryAfter: .seconds(60))
        #expect(observation.status == .running)
        #expect(observation.upstreamStatus == "running")
        #expect(observation.pollAfter == .seconds(60))
        #expect(observation.expiresAt == Timestamp(rfc3339: "2023-11-03T23:53:07.990Z"))
        #expect(observation.files.isEmpty)
        #expect(observation.percentComplete == nil)
    }

    @Test("a job as the later page prints it: wrapped, and with dates that cannot be read")
    func wrapped() throws {
        let job = try #require(
            VivaGoalsJob(entity: recordings.json("goals-get-running-wrapped-later-doc.response.json"))
        )
        #expect(job.id == "j!eyJfdHlwZSI6Ikdyb3VwIiwiaWQiOiI4MzIxMjc1In0")
        #expect(job.createdDateTime == nil && job.expirationDateTime == nil)
        #expect(job.observation(of: reference, retryAfter: nil).status == .running)
        #expect(job.observation(of: reference, retryAfter: nil).expiresAt == nil)
    }

    @Test("the starts as printed", arguments: ["goals-create-201", "goals-create-201-later-doc"])
    func started(name: String) throws {
        let json = try recordings.json(name + ".response.json")
        let job = try #require(VivaGoalsJob(entity: json))
        #expect(job.id == json["id"]?.string)
        #expect(job.createdDateTime == nil)
        let status: ExportStatus = json["status"] == "notStarted" ? .notStarted : .unknown
        #expect(job.observation(of: reference, retryAfter: nil).status == status)
    }

    @Test("the list as captured")
    func list() throws {
        let page = try #require(UpstreamPage(recordings.json("goals-list.response.json")) { VivaGoalsJob($0) })
        #expect(
            page.entries.map(\.id) == [
                "j!ZIhyMux47hGIdJL2SWgapVCBmj39kL1Cl3clung9SgU", "j!NlIQDex47hGHcKInRPZkflCBmj39kL1Cl3clung9SgU",
            ]
        )
        #expect(page.nextLink == nil)
        let view = VivaGoalsView(
            organizationID: "3d9a8150-90fd-42bd-9777-25ba783d4a01",
            viewID: "20df10af-835b-4347-a88d-0db6ee109822"
        )
        #expect(page.entries.map { view.matches($0) } == [false, true])
        #expect(!page.entries.contains { $0.isUnderWay })
        let first = try #require(page.entries.first).observation(of: reference, retryAfter: nil)
        #expect(first.files == [ExportFile(id: "1", name: "Goals of 2025.csv", contentType: "text/csv")])
        #expect(first.expiresAt == Timestamp(rfc3339: "2023-11-02T19:23:56.178Z"))
    }

    @Test("a page with a link, and answers that are no page")
    func pages() throws {
        let link = "https://graph.microsoft.com/beta/x?$skiptoken=a%2Fb"
        func page(_ json: JSONValue?) -> UpstreamPage<VivaGoalsJob>? { UpstreamPage(json) { VivaGoalsJob($0) } }
        #expect(page(["value": [], "@odata.nextLink": .string(link)])?.nextLink == link)
        #expect(page(["value": ["id": "x"]]) == nil)
        #expect(page(nil) == nil)
    }

    @Test(
        "the skeletons of the pages are read without a status that we know",
        arguments: [
            "goals-exportjob.resource-skeleton.json", "longrunningoperation.resource-skeleton.json",
        ]
    )
    func skeletons(name: String) throws {
        let job = try #require(VivaGoalsJob(entity: recordings.json(name)))
        #expect(job.id == "String (identifier)")
        #expect(job.createdDateTime == nil)
        #expect(job.observation(of: reference, retryAfter: nil).status == .unknown)
    }

    @Test("a failure tells why, where Viva Goals does")
    func failed() throws {
        let job = try #require(
            VivaGoalsJob([
                "status": "failed", "statusDetail": "View is empty", "lastActionDateTime": "2023-11-02T23:53:02Z",
            ])
        )
        let observation = job.observation(of: reference, retryAfter: .seconds(60))
        #expect(observation.status == .failed)
        #expect(observation.failure?.code == .exportFailed)
        #expect(observation.failure?.upstream?.message == "View is empty")
        #expect(observation.completedAt == Timestamp(rfc3339: "2023-11-02T23:53:02Z"))
        #expect(observation.resubmitAfter == nil && observation.pollAfter == nil)
        let silent = try #require(VivaGoalsJob(["status": "failed"])).observation(of: reference, retryAfter: nil)
        #expect(silent.failure?.code == .exportFailed)
        #expect(silent.failure?.upstream == nil)
    }

    @Test("the file's name", arguments: [("a", "a.csv"), ("a.CSV", "a.CSV"), ("2025/Q1", "2025/Q1.csv")])
    func fileName(name: String, expected: String) throws {
        let job = try #require(VivaGoalsJob(["status": "succeeded"]))
        let named = job.observation(of: UpstreamReference(id: "x", context: ["name": name]), retryAfter: nil)
        #expect(named.files.map(\.name) == [expected])
        let unnamed = job.observation(of: UpstreamReference(id: "x"), retryAfter: nil)
        #expect(unnamed.files.map(\.name) == ["viva-goals-export.csv"])
    }

    @Test(
        "the id in a Location",
        arguments: [
            (
                #""https://graph.microsoft.com/beta/employeeexperience/goals/exportJobs/j!uJJZyGd87hGFgvZV8bl-GlCBmj39kL1Cl3clung9SgU""#,
                "j!uJJZyGd87hGFgvZV8bl-GlCBmj39kL1Cl3clung9SgU"
            ),
            ("https://graph.microsoft.com/beta/employeeexperience/goals/exportJobs/j%21a", "j!a"),
            ("/beta/employeeexperience/goals/ExportJobs/abc?x=1", "abc"),
            ("https://graph.microsoft.com/beta/employeeexperience/goals/exportJobs/", nil),
            ("https://graph.microsoft.com/beta/employeeexperience/goals/exportJobs/a%zz", nil),
            ("https://graph.microsoft.com/beta/employeeexperience/goals/exportJobs/a%f", nil),
            ("https://graph.microsoft.com/beta/employeeexperience/goals/exportJobs/%FF", nil),
            ("https://graph.microsoft.com/beta/other/abc", nil), ("", nil), (nil, nil),
        ] as [(String?, String?)]
    )
    func location(text: String?, id: String?) {
        #expect(VivaGoalsLocation.jobID(text) == id)
    }
}
