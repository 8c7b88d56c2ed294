import Exports
import JSON
import ManualClock
import MicrosoftSandbox
import NIOCore
import NIOHTTP1
import Testing

@Suite struct PowerBITests {
    @Test func anExportWalksToItsFile() async throws {
        try await withLab { lab in
            let token = try await lab.token(Lab.powerBIScope)
            let report = "\(lab.reports)/\(SandboxSeed.powerBIReportID)"
            let start = try await lab.post("\(report)/ExportTo", token: token, ["format": "PDF", "unheardOf": 1])
            #expect(start.status == 202)
            #expect(start.json["status"] == "NotStarted")
            #expect(start.json["expirationTime"] == "0001-01-01T00:00:00Z")
            #expect(start.json["reportName"] == nil && start.json["resourceLocation"] == nil)
            #expect(UUIDText.isValid(start.headers.first(name: "RequestId") ?? ""))
            let id = try #require(start.json["id"]?.string)
            #expect(start.location == "\(report)/exports/\(id)")

            lab.time.advance(by: .milliseconds(1200))
            let running = try await lab.get("\(report)/exports/\(id)", token: token)
            #expect(running.status == 202)
            #expect(running.headers.first(name: "Retry-After") == "1")
            #expect(running.json["status"] == "Running")
            #expect(running.json["percentComplete"] == 50)
            #expect(running.json["reportName"] == nil)
            #expect(running.json["@odata.context"]?.string?.hasSuffix("/$metadata#exports/$entity") == true)
            #expect(try await lab.get("\(report)/exports/\(id)/file", token: token).status == 404)
            lab.finishJobs()
            let done = try await lab.get("\(report)/exports/\(id)", token: token)
            #expect(done.status == 200)
            #expect(!done.headers.contains(name: "Retry-After"))
            #expect(done.json["status"] == "Succeeded")
            #expect(done.json["percentComplete"] == 100)
            #expect(done.json["resourceFileExtension"] == ".pdf")
            #expect(done.json["reportName"] == "SalesMarketing")
            // A day later, with as many digits of a second as Microsoft writes.
            let created = try #require(done.json["createdDateTime"]?.string)
            #expect(done.json["expirationTime"]?.string == created.replacing("05-28T", with: "05-29T"))
            let url = try #require(done.json["resourceLocation"]?.string)
            #expect(url == "\(report)/exports/\(id)/file")
            let file = try await lab.get(url, token: token)
            #expect(file.status == 200)
            #expect(file.headers.first(name: "Content-Type") == "application/pdf")
            #expect(!file.headers.contains(name: "Content-Disposition"))
            #expect(file.text.hasPrefix("%PDF-"))
            lab.time.advance(by: .seconds(24 * 3600))
            let fresh = try await lab.token(Lab.powerBIScope)
            #expect(try await lab.get(url, token: fresh).status == 404)
        }
    }

    @Test func exportIDsEndInEveryPadding() async throws {
        try await withLab { lab in
            let token = try await lab.token(Lab.powerBIScope)
            let report = "\(lab.reports)/\(SandboxSeed.powerBIReportID)"
            var endings: [Int] = []
            for _ in 0..<3 {
                let start = try await lab.post("\(report)/ExportTo", token: token, ["format": "PDF"])
                let id = try #require(start.json["id"]?.string)
                endings.append(id.filter { $0 == "=" }.count)
                for form in [id, id.replacing("=", with: "%3D")] {
                    #expect(try await lab.get("\(report)/exports/\(form)", token: token).json["id"]?.string == id)
                }
                let other = id.uppercased()
                #expect(try await lab.get("\(report)/exports/\(other)", token: token).status == 404)
            }
            #expect(endings == [1, 2, 0])
        }
    }

    @Test func idsWithReservedCharactersMustBeEscaped() async throws {
        try await withLab { lab in
            let token = try await lab.token(Lab.powerBIScope)
            lab.sandbox.addRule(SandboxRule(operation: "power-bi.start", fault: .idWithReserved))
            let report = "\(lab.reports)/\(SandboxSeed.powerBIReportID)"
            let start = try await lab.post("\(report)/ExportTo", token: token, ["format": "PDF"])
            let id = try #require(start.json["id"]?.string)
            #expect(id.contains("+/"))
            #expect(try await lab.get("\(report)/exports/\(id)", token: token).status == 404)
            let escaped = id.replacing("+", with: "%2B").replacing("/", with: "%2F").replacing("=", with: "%3D")
            #expect(try await lab.get("\(report)/exports/\(escaped)", token: token).json["id"]?.string == id)
        }
    }

    @Test func tokensPlacesAndThingsAreRefusedTheWrongWayRound() async throws {
        try await withLab { lab in
            let graph = try await lab.token(Lab.graphScope)
            let token = try await lab.token(Lab.powerBIScope)
            for (presented, info) in [(nil, nil), ("junk", "InvalidToken"), (graph, "TokenExpired")] {
                let reply = try await lab.get(lab.reports, token: presented)
                #expect(reply.status == 403)
                #expect(reply.body.readableBytes == 0)
                #expect(reply.headers.first(name: "x-powerbi-error-info") == info)
                #expect(reply.headers.contains(name: "RequestId"))
            }
            let other = "00000000-0000-4000-8000-000000000001"
            let group = try await lab.get("\(lab.addresses.api)/v1.0/myorg/groups/\(other)/reports", token: token)
            #expect(group.status == 401)
            #expect(group.headers.first(name: "x-powerbi-error-info") == "GroupNotAccessible")
            #expect(group.json["error"]?["pbi.error"]?["code"] == "PowerBINotAuthorizedException")
            let report = try await lab.get("\(lab.reports)/\(other)", token: token)
            #expect(report.status == 404)
            #expect(report.json["error"]?["code"] == "PowerBIEntityNotFound")
        }
    }

    @Test func formatsBelongToReportTypes() async throws {
        try await withLab { lab in
            let token = try await lab.token(Lab.powerBIScope)
            func start(_ report: String, _ body: JSONValue) async throws -> Reply {
                try await lab.post("\(lab.reports)/\(report)/ExportTo", token: token, body)
            }
            let refused = try await start(SandboxSeed.powerBIReportID, ["format": "CSV"])
            #expect(refused.status == 400)
            #expect(refused.json["error"]?["code"] == "InvalidRequest")
            #expect(
                refused.json["error"]?["message"] == "Export report was called with an unsupported file format"
            )
            #expect(try await start(SandboxSeed.paginatedReportID, ["format": "PNG"]).status == 400)
            #expect(try await start(SandboxSeed.powerBIReportID, [:]).status == 400)
            let unknownPage: JSONValue = [
                "format": "PDF", "powerBIReportConfiguration": ["pages": [["pageName": "Geographic Analysis"]]],
            ]
            #expect(try await start(SandboxSeed.powerBIReportID, unknownPage).status == 400)
        }
    }

    static let formats: [(String, JSONValue, String, String, String)] = [
        (SandboxSeed.powerBIReportID, ["format": "PNG"], ".zip", "application/zip", "PK"),
        (
            SandboxSeed.powerBIReportID,
            ["format": "PNG", "powerBIReportConfiguration": ["pages": [["pageName": "ReportSection"]]]], ".png",
            "image/png", "\u{89}PNG"
        ),
        (SandboxSeed.paginatedReportID, ["format": "CSV"], ".csv", "text/csv", "Key,Row"),
        (SandboxSeed.paginatedReportID, ["format": "XML"], ".xml", "text/xml", "<?xml"),
        (SandboxSeed.paginatedReportID, ["format": "MHTML"], ".mhtml", "multipart/related", "MIME-Version"),
        (
            SandboxSeed.paginatedReportID, ["format": "XLSX"], ".xlsx",
            "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "PK"
        ),
        (SandboxSeed.paginatedReportID, ["format": "ACCESSIBLEPDF"], ".pdf", "application/pdf", "%PDF-"),
        (SandboxSeed.paginatedReportID, ["format": "IMAGE"], ".tif", "image/tiff", "II*"),
        (
            SandboxSeed.paginatedReportID,
            ["format": "IMAGE", "paginatedReportConfiguration": ["formatSettings": ["OutputFormat": "jpeg"]]], ".jpg",
            "image/jpeg", ""
        ),
    ]

    @Test(arguments: formats)
    func filesLookLikeTheirFormat(
        report: String,
        body: JSONValue,
        fileExtension: String,
        contentType: String,
        magic: String
    ) async throws {
        try await withLab { lab in
            let token = try await lab.token(Lab.powerBIScope)
            let start = try await lab.post("\(lab.reports)/\(report)/ExportTo", token: token, body)
            lab.finishJobs()
            let done = try await lab.get(try #require(start.location), token: token)
            #expect(done.json["resourceFileExtension"]?.string == fileExtension)
            let file = try await lab.get(try #require(done.json["resourceLocation"]?.string), token: token)
            #expect(file.headers.first(name: "Content-Type") == contentType)
            #expect(file.body.readableBytes == 65_536)
            let head = file.body.readableBytesView.prefix(magic.unicodeScalars.count)
            #expect(head.map { Unicode.Scalar($0) } == Array(magic.unicodeScalars))
        }
    }

    @Test func busyFailuresTellWhenToComeBack() async throws {
        try await withLab { lab in
            let token = try await lab.token(Lab.powerBIScope)
            lab.sandbox.addRule(SandboxRule(operation: "power-bi.start", times: 1, fault: .failedBusy(retryAfter: 9)))
            lab.sandbox.addRule(SandboxRule(operation: "power-bi.start", times: 1, fault: .failed))
            var answers: [Reply] = []
            for _ in 0..<2 {
                let start = try await lab.post(
                    "\(lab.reports)/\(SandboxSeed.powerBIReportID)/ExportTo",
                    token: token,
                    ["format": "PPTX"]
                )
                lab.finishJobs()
                answers.append(try await lab.get(try #require(start.location), token: token))
            }
            #expect(answers.map { $0.json["status"]?.string } == ["Failed", "Failed"])
            #expect(answers.map(\.status) == [200, 200])
            #expect(answers.map { $0.headers.first(name: "Retry-After") } == ["9", nil])
        }
    }

    @Test func myWorkspaceHasItsOwnExports() async throws {
        try await withLab { lab in
            let token = try await lab.token(Lab.powerBIScope)
            let report = "\(lab.addresses.api)/v1.0/myorg/reports/\(SandboxSeed.paginatedReportID)"
            let start = try await lab.post("\(report)/ExportTo", token: token, ["format": "DOCX"])
            let id = try #require(start.json["id"]?.string)
            #expect(start.location == "\(report)/exports/\(id)")
            #expect(try await lab.get("\(report)/exports/\(id)", token: token).status == 202)
            let inGroup = "\(lab.reports)/\(SandboxSeed.paginatedReportID)/exports/\(id)"
            #expect(try await lab.get(inGroup, token: token).status == 404)
        }
    }

    @Test func tellsReportsAndPages() async throws {
        try await withLab { lab in
            let token = try await lab.token(Lab.powerBIScope)
            let reports = try await lab.get(lab.reports, token: token).json["value"]?.array
            #expect(reports?.map { $0["name"]?.string } == ["SalesMarketing", "Quarterly Ledger"])
            let report = try await lab.get("\(lab.reports)/\(SandboxSeed.paginatedReportID)", token: token).json
            #expect(report["reportType"] == "PaginatedReport")
            #expect(report["datasetId"] == nil)
            let pages = try await lab.get("\(lab.reports)/\(SandboxSeed.powerBIReportID)/pages", token: token)
            #expect(pages.json["value"]?.array?.map { $0["name"]?.string } == ["ReportSection", "ReportSection1"])
        }
    }
}
