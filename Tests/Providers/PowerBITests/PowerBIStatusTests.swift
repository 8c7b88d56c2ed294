import Exports
import Foundation
import JSON
import ScriptedHost
import Testing
import UpstreamHTTP

@testable import PowerBI

@Suite struct PowerBIStatusTests {
    let reference = UpstreamReference(
        id: "Mi9C5419i....PS4=",
        context: ["groupId": groupID, "reportId": reportID, "format": "PPTX"]
    )

    @Test(
        "every documented state and every other has a place",
        arguments: [
            ("Undefined", ExportStatus.unknown), ("NotStarted", .notStarted), ("Running", .running),
            ("Succeeded", .succeeded), ("Failed", .failed), ("RUNNING", .running), ("succeeded", .succeeded),
            ("Cancelled", .unknown), ("", .unknown),
        ]
    )
    func states(text: String, status: ExportStatus) {
        #expect(PowerBIStatus.status(text) == status)
    }

    private func observe(_ json: JSONValue, retryAfter: Duration? = nil) throws -> Observation {
        try #require(PowerBIExport(json)).observation(of: reference, retryAfter: retryAfter)
    }

    @Test("a start as recorded", arguments: ["notstarted", "reconstructed"])
    func started(name: String) throws {
        let json = try recordings.json("pbi-export-post-202-\(name).json")
        let observation = try observe(json, retryAfter: .seconds(7))
        #expect(PowerBIExport(json)?.id == json["id"]?.string)
        #expect(observation.status == .notStarted)
        #expect(observation.upstreamStatus == "NotStarted")
        #expect(observation.percentComplete == 0)
        #expect(observation.expiresAt == nil)
        #expect(observation.completedAt == nil)
        #expect(observation.files.isEmpty)
        #expect(observation.pollAfter == .seconds(7))
    }

    @Test("a finished export as printed")
    func succeeded() throws {
        let observation = try observe(recordings.json("pbi-export-status-200-succeeded.json"))
        #expect(observation.status == .succeeded)
        #expect(observation.percentComplete == 100)
        #expect(observation.completedAt == Timestamp(rfc3339: "2021-12-08T10:26:38.016Z"))
        #expect(observation.expiresAt == Timestamp(rfc3339: "2021-12-09T10:26:11.586Z"))
        #expect(
            observation.files == [
                ExportFile(
                    id: "1",
                    name: "Report name.pptx",
                    contentType: "application/vnd.openxmlformats-officedocument.presentationml.presentation"
                )
            ]
        )
        #expect(observation.failure == nil && observation.resubmitAfter == nil && observation.pollAfter == nil)
    }

    @Test(
        "the file's name and type, whatever parts are missing",
        arguments: [
            (#"{"reportName":"A","resourceFileExtension":".zip"}"#, "A.zip", "application/zip"),
            (#"{"reportName":"A","ResourceFileExtension":".PNG"}"#, "A.PNG", "image/png"),
            (#"{"reportName":"A","resourceFileExtension":"pdf"}"#, "A.pdf", "application/pdf"),
            (#"{"reportName":"A","resourceFileExtension":"..csv"}"#, "A.csv", "text/csv"),
            (#"{"reportName":"A"}"#, "A.pptx", PowerBIFileType.contentTypes[".pptx"]),
            (#"{"reportName":"A","resourceFileExtension":"."}"#, "A.pptx", PowerBIFileType.contentTypes[".pptx"]),
            (#"{"resourceFileExtension":".mhtml"}"#, "report.mhtml", "multipart/related"),
            (#"{"reportName":"A","resourceFileExtension":".new"}"#, "A.new", nil),
        ] as [(String, String, String?)]
    )
    func fileName(members: String, name: String, contentType: String?) throws {
        var json = try JSONValue(parsing: members.utf8).object ?? [:]
        json["status"] = "Succeeded"
        let file = try #require(try observe(.object(json)).files.first)
        #expect(file.name == name)
        #expect(file.contentType == contentType)
        #expect(file.id == "1" && file.size == nil)
    }

    @Test("a picture's extension is not guessed")
    func noExtension() throws {
        let image = UpstreamReference(id: "x", context: ["reportId": reportID, "format": "IMAGE"])
        let export = try #require(PowerBIExport(["status": "Succeeded", "reportName": "A"]))
        #expect(export.observation(of: image, retryAfter: nil).files == [ExportFile(id: "1", name: "A")])
    }

    @Test("failed because it was busy: to be started again; failed for good: not")
    func failed() throws {
        let busy = try observe(["status": "Failed"], retryAfter: .seconds(90))
        #expect(busy.status == .failed)
        #expect(busy.resubmitAfter == .seconds(90))
        #expect(busy.failure?.code == .upstreamBusy)
        let permanent = try observe(["status": "failed", "lastActionDateTime": "2026-01-02T03:04:05.6Z"])
        #expect(permanent.status == .failed)
        #expect(permanent.upstreamStatus == "failed")
        #expect(permanent.resubmitAfter == nil)
        #expect(permanent.failure?.code == .exportFailed)
        #expect(permanent.failure?.upstream == nil)
        #expect(permanent.completedAt == Timestamp(rfc3339: "2026-01-02T03:04:05.600Z"))
        let explained = try observe(["status": "Failed", "error": ["message": "Visual is broken"]])
        #expect(explained.failure?.upstream?.message == "Visual is broken")
    }

    @Test("100 percent while running is still running; percentages stay within bounds")
    func percent() throws {
        let running = try observe(["status": "Running", "percentComplete": 100], retryAfter: .seconds(2))
        #expect(running.status == .running)
        #expect(running.percentComplete == 100)
        #expect(running.files.isEmpty)
        #expect(running.pollAfter == .seconds(2))
        #expect(try observe(["status": "Running", "percentComplete": 250]).percentComplete == 100)
        #expect(try observe(["status": "Running", "percentComplete": -1]).percentComplete == 0)
        #expect(try observe(["status": "Running", "percentComplete": .number(70)]).percentComplete == 70)
        #expect(try observe(["status": "Running", "percentComplete": "70"]).percentComplete == nil)
    }

    @Test("what is never seen before is unknown, and asked again")
    func unknown() throws {
        for status in ["Undefined", "Cancelled", "TimedOut"] {
            let observation = try observe(["status": .string(status)], retryAfter: .seconds(3))
            #expect(observation.status == .unknown)
            #expect(observation.upstreamStatus == status)
            #expect(observation.pollAfter == .seconds(3))
            #expect(observation.failure == nil)
        }
        #expect(try observe([:]).status == .unknown)
        #expect(PowerBIExport("Succeeded") == nil)
        #expect(PowerBIExport(nil) == nil)
    }

    @Test("how a job is found again")
    func foundAgain() throws {
        let report = try PowerBIReport(source: ["groupId": .string(groupID), "reportId": .string(reportID)])
        let made = report.reference(to: "a/b=", format: "PPTX")
        #expect(made == UpstreamReference(id: "a/b=", context: reference.context))
        let again = try PowerBIReport(reference: made)
        #expect(again.path == ["groups", groupID, "reports", reportID])
        let mine = try PowerBIReport(source: ["reportId": .string(reportID)])
        #expect(mine.path == ["reports", reportID])
        #expect(throws: ProviderError.self) { _ = try PowerBIReport(reference: UpstreamReference(id: "x")) }
    }
}
