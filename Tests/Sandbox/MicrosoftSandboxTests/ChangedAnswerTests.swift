import Exports
import Foundation
import JSON
import MicrosoftSandbox
import NIOCore
import NIOHTTP1
import SystemCrypto
import Testing

/// Rules that change a right answer: its members, its text, its fields, its coding.
@Suite struct ChangedAnswerTests {
    private static let search = "/searches/\(SandboxSeed.searchID)/exportResult"

    private func start(_ lab: Lab, _ token: String) async throws -> Reply {
        try await lab.post(lab.security + Self.search, token: token, GraphExportTests.result)
    }

    @Test func membersOfOneAnswer() async throws {
        try await withLab { lab in
            let token = try await lab.token(Lab.graphScope)
            let location = try #require(try await start(lab, token).location)
            lab.finishJobs()
            lab.sandbox.addRule(
                SandboxRule(
                    operation: "graph.status",
                    times: 1,
                    fault: .members(set: ["exportFileMetadata": .null, "status": "Odd"], remove: ["percentProgress"])
                )
            )
            let changed = try await lab.get(location, token: token).json
            #expect(changed["exportFileMetadata"] == .null)
            #expect(changed["status"] == "Odd")
            #expect(changed["percentProgress"] == nil)
            let right = try await lab.get(location, token: token).json
            #expect(right["exportFileMetadata"]?.array?.count == 2)
            #expect(right["status"] == "succeeded")
        }
    }

    @Test func membersOfAJobFromItsStartOn() async throws {
        try await withLab { lab in
            let token = try await lab.token(Lab.graphScope)
            lab.sandbox.addRule(
                SandboxRule(
                    operation: "graph.start",
                    times: 1,
                    fault: .members(set: ["description": ""], remove: ["createdBy"])
                )
            )
            let location = try #require(try await start(lab, token).location)
            _ = try await start(lab, token)
            let listed = try #require(
                try await lab.get("\(lab.security)/operations", token: token).json["value"]?.array
            )
            #expect(listed.map { $0["description"] } == [GraphExportTests.result["description"], ""])
            #expect(listed.map { $0["createdBy"] == nil } == [false, true])
            #expect(try await lab.get(location, token: token).json["description"] == "")
        }
    }

    @Test func textThatIsNoJSON() async throws {
        try await withLab { lab in
            let token = try await lab.token(Lab.graphScope)
            let location = try #require(try await start(lab, token).location)
            lab.finishJobs()
            lab.sandbox.addRule(
                SandboxRule(
                    operation: "graph.status",
                    times: 1,
                    fault: .rewrite(find: "\"status\":\"", with: "\"name\":\"\\ud83d\",\"status\":\"")
                )
            )
            let reply = try await lab.get(location, token: token)
            #expect(reply.text.contains(#""name":"\ud83d","status":"succeeded""#))
        }
    }

    @Test func linksWithWhatAnAddressMustEscape() async throws {
        try await withLab { lab in
            let token = try await lab.token(Lab.graphScope)
            let location = try #require(try await start(lab, token).location)
            lab.finishJobs()
            lab.sandbox.addRule(
                SandboxRule(operation: "graph.status", fault: .rewrite(find: ")\"", with: ")?name=a [1] é\""))
            )
            let files = try await lab.get(location, token: token).json["exportFileMetadata"]?.array
            let url = try #require(files?.first?["downloadUrl"]?.string)
            #expect(url.hasSuffix(")?name=a [1] é"))
            let purview = try await lab.token(Lab.purviewScope)
            let escaped = url.replacing(" ", with: "%20").replacing("é", with: "%C3%A9")
            #expect(try await lab.get(escaped, token: purview, headers: [DownloadTests.header]).status == 200)
        }
    }

    @Test(arguments: [false, true])
    func largeAnswers(entries: Bool) async throws {
        try await withLab { lab in
            let token = try await lab.token(Lab.powerBIScope)
            let report = "\(lab.reports)/\(SandboxSeed.powerBIReportID)"
            let start = try await lab.post("\(report)/ExportTo", token: token, ["format": "PDF"])
            lab.finishJobs()
            lab.sandbox.addRule(
                SandboxRule(
                    operation: "power-bi.status",
                    fault: .padding(bytes: 100_000, member: "reportName", entries: entries)
                )
            )
            let reply = try await lab.get(try #require(start.location), token: token)
            #expect(reply.body.readableBytes > 99_000)
            #expect(reply.json["status"] == "Succeeded")
            #expect(reply.json["reportName"]?.string?.count == (entries ? nil : 100_000))
            #expect(reply.json["reportName"]?.array?.count == (entries ? 9090 : nil))
        }
    }

    @Test func fieldsOfTheHead() async throws {
        try await withLab { lab in
            lab.sandbox.addRule(
                SandboxRule(
                    operation: "goals.*",
                    fault: .headers(set: ["Retry-After": "4,8", "X-New": "1"], remove: ["Location"])
                )
            )
            let start = try await lab.post(lab.goals, token: GoalsTests.user, GoalsTests.request)
            #expect(start.status == 201)
            #expect(start.headers.first(name: "Retry-After") == "4,8")
            #expect(start.headers.first(name: "X-New") == "1")
            #expect(start.location == nil)
        }
    }

    @Test func bodiesInGzip() async throws {
        try await withLab { lab in
            lab.sandbox.addRule(SandboxRule(operation: "*", fault: .gzip))
            let start = try await lab.post(lab.goals, token: GoalsTests.user, GoalsTests.request)
            #expect(start.headers.first(name: "Content-Encoding") == "gzip")
            let id = try #require(try JSONValue(parsing: Self.unpacked(start.body))["id"]?.string)
            lab.finishJobs()
            let file = try await lab.get("\(lab.goals)/\(id)/content", token: GoalsTests.user)
            let told = try #require(lab.sandbox.account.jobs.first?.files.first)
            #expect(told.sha256 == Hexadecimal.encode(SHA256.hash(Array(try Self.unpacked(file.body)))))
        }
    }

    /// What the program `gzip` makes of it.
    private static func unpacked(_ body: ByteBuffer) throws -> Data {
        let file = FileManager.default.temporaryDirectory.appending(path: "sandbox-\(UUID()).gz")
        try Data(body.readableBytesView).write(to: file)
        defer { try? FileManager.default.removeItem(at: file) }
        let process = Process()
        let output = Pipe()
        process.executableURL = URL(filePath: "/bin/gzip")
        process.arguments = ["-dc", file.path()]
        process.standardOutput = output
        try process.run()
        let data = output.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        #expect(process.terminationStatus == 0)
        return data
    }
}
