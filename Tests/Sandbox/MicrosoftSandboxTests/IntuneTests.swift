import Exports
import JSON
import ManualClock
import MicrosoftSandbox
import NIOCore
import NIOHTTP1
import Testing

@Suite struct IntuneTests {
    private static let request: JSONValue = [
        "reportName": .string(SandboxSeed.intuneReport), "select": ["DeviceId", "DeviceName"],
    ]

    private func jobs(_ lab: Lab, _ version: String = "v1.0") -> String {
        "\(lab.addresses.api)/\(version)/deviceManagement/reports/exportJobs"
    }

    /// The stored members of a small archive, by their names.
    private func members(_ archive: ByteBuffer) throws -> [(name: String, text: String)] {
        var archive = archive
        var members: [(String, String)] = []
        while archive.getInteger(at: archive.readerIndex, endianness: .little, as: UInt32.self) == 0x0403_4B50 {
            let start = archive.readerIndex
            let head = try #require(archive.getSlice(at: start, length: 30))
            let size = try #require(head.getInteger(at: head.readerIndex + 18, endianness: .little, as: UInt32.self))
            let name = try #require(head.getInteger(at: head.readerIndex + 26, endianness: .little, as: UInt16.self))
            let extra = try #require(head.getInteger(at: head.readerIndex + 28, endianness: .little, as: UInt16.self))
            let content = start + 30 + Int(name) + Int(extra)
            let member = try #require(archive.getString(at: start + 30, length: Int(name)))
            members.append((member, try #require(archive.getString(at: content, length: Int(size)))))
            archive.moveReaderIndex(to: content + Int(size))
        }
        return members
    }

    @Test func aJobWalksToItsArchive() async throws {
        try await withLab { lab in
            let token = try await lab.token(Lab.graphScope)
            let start = try await lab.post(jobs(lab), token: token, Self.request)
            #expect(start.status == 201)
            #expect(start.location == nil)
            #expect(start.json["status"] == "notStarted" && start.json["url"] == .null)
            #expect(start.json["expirationDateTime"] == "0001-01-01T00:00:00Z")
            #expect(start.json["localizationType"] == "localizedValuesAsAdditionalColumn")
            let id = try #require(start.json["id"]?.string)
            #expect(id.hasPrefix("DeviceCompliance_"))
            lab.time.advance(by: .seconds(1))
            #expect(try await lab.get("\(jobs(lab))/\(id)", token: token).json["status"] == "inProgress")
            lab.finishJobs()
            let done = try await lab.get("\(jobs(lab, "beta"))('\(id)')", token: token)
            #expect(done.json["status"] == "completed")
            let url = try #require(done.json["url"]?.string)
            #expect(url.hasPrefix(lab.addresses.blob) && url.contains("/\(id).zip?") && url.hasSuffix("&sp=r"))
            #expect(done.json["expirationDateTime"]?.string?.hasPrefix("2026-05-29T02:26:40.12") == true)

            let archive = try await lab.get(url)
            #expect(archive.status == 200)
            #expect(archive.headers.first(name: "Content-Type") == "application/zip")
            let members = try members(archive.body)
            #expect(members.map(\.name) == [id + ".csv"])
            #expect(members[0].text.hasPrefix("\u{FEFF}DeviceId,DeviceName\n"))
            #expect(lab.sandbox.account.jobs.map(\.service) == ["intune"])
            #expect(lab.sandbox.account.jobs[0].files.first?.size == Int64(archive.body.readableBytes))
            #expect(try await lab.get(url, token: token).status == 401)
            #expect(try await lab.get(url.replacing("&se=", with: "&se=9")).status == 403)
            lab.time.advance(by: .seconds(6 * 3600))
            #expect(try await lab.get(url).status == 403)
        }
    }

    @Test func refusesInItsOwnWords() async throws {
        try await withLab { lab in
            let token = try await lab.token(Lab.graphScope)
            for (body, words) in [
                (["reportName": "Nothing"], "PostExportJobAsync not supported for reportType Unknown"),
                (["reportName": "DeviceEnrollmentFailures"], "reportType DeviceEnrollmentFailures"),
                (["reportName": "AppInvByDevice"], "required filters are not set"),
                (["reportName": "FirewallStatus", "select": ["A_loc"]], "A_loc"), ([:], "reportName is required"),
            ] as [(JSONValue, String)] {
                let refused = try await lab.post(jobs(lab), token: token, body)
                #expect(refused.status == 400)
                // The message is a JSON text itself.
                let message = try #require(refused.json["error"]?["message"]?.string)
                let inner = try JSONValue(parsing: Array(message.utf8))
                #expect(inner["Message"]?.string?.contains(words) == true)
            }
            #expect(try await lab.post(jobs(lab), Self.request).status == 401)
            let user = try await lab.post(jobs(lab), token: SandboxSeed.delegatedToken, Self.request)
            #expect(user.status == 403 && user.json["error"]?["code"] == "Forbidden")
            let list = try await lab.get(jobs(lab), token: token)
            #expect(list.status == 400 && list.json["error"]?["code"] == "No method match route template")
            #expect(try await lab.get("\(jobs(lab))/x", token: token).status == 404)
            #expect(lab.sandbox.account.jobs.isEmpty)
        }
    }

    @Test func reportsAreWrittenAsTheRuleSays() async throws {
        try await withLab { lab in
            let token = try await lab.token(Lab.graphScope)
            func archive(_ form: SandboxReport, format: String = "csv") async throws -> [(name: String, text: String)] {
                lab.sandbox.removeRules()
                lab.sandbox.addRule(SandboxRule(operation: "intune.start", fault: .report(form)))
                let body: JSONValue = [
                    "reportName": "Devices", "select": ["A", "B", "C"], "format": .string(format),
                ]
                let id = try #require(try await lab.post(jobs(lab), token: token, body).json["id"]?.string)
                lab.finishJobs()
                let url = try #require(try await lab.get("\(jobs(lab))/\(id)", token: token).json["url"]?.string)
                return try members(try await lab.get(url).body)
            }
            #expect(try await archive(SandboxReport(rows: 0)).map(\.text) == ["\u{FEFF}A,B,C\n"])
            let uneven = SandboxReport(rows: 3, byteOrderMark: false, carriageReturns: true, uneven: true)
            #expect(
                try await archive(uneven).map(\.text) == [
                    "A,B,C\r\nrow 1,<Null>,value 2\r\nrow 2,15\" screen,value 2\r\nrow 3,<Null>\r\n"
                ]
            )
            #expect(try await archive(SandboxReport(rows: 1, members: 0)).isEmpty)
            let two = try await archive(SandboxReport(rows: 1, members: 2)).map(\.name)
            #expect(two.count == 2 && two[1].hasSuffix("-2.csv"))
            for wrapped in [false, true] {
                let json = try await archive(SandboxReport(rows: 2, wrapped: wrapped), format: "json")
                #expect(json[0].name.hasSuffix(".json"))
                let value = try JSONValue(parsing: Array(json[0].text.utf8))
                #expect((wrapped ? value["values"] : value)?.array?.count == 2)
            }
        }
    }

    @Test func aLinkCanComeLate() async throws {
        try await withLab { lab in
            let token = try await lab.token(Lab.graphScope)
            lab.sandbox.addRule(SandboxRule(operation: "intune.start", fault: .metadataLag(seconds: 30)))
            let id = try #require(try await lab.post(jobs(lab), token: token, Self.request).json["id"]?.string)
            lab.finishJobs()
            let late = try await lab.get("\(jobs(lab))/\(id)", token: token)
            #expect(late.json["status"] == "completed" && late.json["url"] == "")
            lab.time.advance(by: .seconds(30))
            #expect(try await lab.get("\(jobs(lab))/\(id)", token: token).json["url"] != "")
        }
    }

    @Test func aLargeFileIsMadeWithoutItsReport() async throws {
        try await withLab { lab in
            let token = try await lab.token(Lab.graphScope)
            lab.sandbox.addRule(
                SandboxRule(operation: "intune.start", fault: .fileContent(bytes: 3 << 20, kind: .random))
            )
            let id = try #require(try await lab.post(jobs(lab), token: token, Self.request).json["id"]?.string)
            lab.finishJobs()
            let url = try #require(try await lab.get("\(jobs(lab))/\(id)", token: token).json["url"]?.string)
            #expect(try await lab.get(url).body.readableBytes == 3 << 20)
        }
    }
}
