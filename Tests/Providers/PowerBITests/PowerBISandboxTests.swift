import Exports
import JSON
import ManualClock
import MicrosoftSandbox
import ScriptedHost
import Testing

@testable import PowerBI

/// Whole lives on the sandbox, and what it does to them.
@Suite struct PowerBISandboxTests {
    private static let pdf: JSONValue = [
        "groupId": .string(SandboxSeed.groupID), "reportId": .string(SandboxSeed.powerBIReportID), "format": "PDF",
    ]

    @Test("started, watched, fetched, three times with ids of different endings")
    func life() async throws {
        try await Workbench.runOnSandbox { bench, sandbox, time in
            for turn in 0..<3 {
                let submission = try await bench.submit(Self.pdf)
                #expect(submission.observation?.status == .notStarted)
                let reference = submission.reference
                time.advance(by: .seconds(1))
                let running = try await bench.observe(reference)
                #expect(running.status == .running)
                #expect(running.percentComplete == 50)
                #expect(running.expiresAt == nil)
                time.advance(by: .seconds(2))
                let done = try await bench.observe(reference)
                #expect(done.status == .succeeded)
                #expect(done.files.map(\.name) == ["SalesMarketing.pdf"])
                #expect(done.files.map(\.contentType) == ["application/pdf"])
                let expiry = try #require(done.expiresAt)
                #expect(expiry > time.now())
                let bytes = try await bench.open(reference).collected()
                let file = try #require(sandbox.account.jobs[turn].files.first)
                #expect(Int64(bytes.count) == file.size)
            }
            #expect(bench.tokens.count == 1)
        }
    }

    @Test("My workspace, data of a paginated report, and a zip of several pages")
    func kinds() async throws {
        try await Workbench.runOnSandbox { bench, _, time in
            let csv = try await bench.submit([
                "reportId": .string(SandboxSeed.paginatedReportID), "format": "csv",
                "paginatedReportConfiguration": ["formatSettings": ["NoHeader": "true"]],
            ])
            let png = try await bench.submit([
                "groupId": .string(SandboxSeed.groupID), "reportId": .string(SandboxSeed.powerBIReportID),
                "format": "PNG",
                "powerBIReportConfiguration": [
                    "pages": [["pageName": "ReportSection"], ["pageName": "ReportSection1"]]
                ],
            ])
            time.advance(by: .seconds(3))
            #expect(try await bench.observe(csv.reference).files.map(\.name) == ["Quarterly Ledger.csv"])
            let archive = try #require(try await bench.observe(png.reference).files.first)
            #expect(archive.name == "SalesMarketing.zip")
            #expect(archive.contentType == "application/zip")
        }
    }

    @Test("an id with reserved characters is one segment of the path")
    func reservedID() async throws {
        try await Workbench.runOnSandbox { bench, sandbox, time in
            sandbox.addRule(SandboxRule(operation: "power-bi.start", fault: .idWithReserved))
            let reference = try await bench.submit(Self.pdf).reference
            #expect(reference.id.contains("+/"))
            time.advance(by: .seconds(3))
            #expect(try await bench.observe(reference).status == .succeeded)
            #expect(try await bench.open(reference).collected().count == 65_536)
        }
    }

    @Test("failed because busy, failed for good, stuck, and a state never seen before")
    func outcomes() async throws {
        try await Workbench.runOnSandbox { bench, sandbox, time in
            for fault in [.failedBusy(retryAfter: 30), .failed, .stuck, .unknownStatus("Paused")] as [SandboxFault] {
                sandbox.removeRules()
                sandbox.addRule(SandboxRule(operation: "power-bi.start", fault: fault))
                let reference = try await bench.submit(Self.pdf).reference
                time.advance(by: .seconds(3))
                let observation = try await bench.observe(reference)
                switch fault {
                case .failedBusy:
                    #expect(observation.status == .failed)
                    #expect(observation.resubmitAfter == .seconds(30))
                case .failed:
                    #expect(observation.status == .failed)
                    #expect(observation.resubmitAfter == nil)
                case .stuck: #expect(observation.status == .running)
                default:
                    #expect(observation.status == .unknown)
                    #expect(observation.upstreamStatus == "Paused")
                }
            }
        }
    }

    @Test("an expired or revoked token is replaced in the middle of a job")
    func revoked() async throws {
        try await Workbench.runOnSandbox { bench, sandbox, time in
            let reference = try await bench.submit(Self.pdf).reference
            sandbox.addRule(SandboxRule(operation: "power-bi.status", times: 1, fault: .tokenRevoked))
            time.advance(by: .seconds(3))
            #expect(try await bench.observe(reference).status == .succeeded)
            #expect(bench.tokens.count == 2)
            time.advance(by: .seconds(2 * 3600))
            #expect(try await bench.open(reference).collected().count == 65_536)
            #expect(bench.tokens.count == 3)
        }
    }

    @Test("a start that is cut off may have been carried out, and is not repeated")
    func cutStart() async throws {
        try await Workbench.runOnSandbox { bench, sandbox, _ in
            sandbox.addRule(SandboxRule(operation: "power-bi.start", fault: .cutConnection(started: true)))
            let error = try await providerError { _ = try await bench.submit(Self.pdf) }
            #expect(error.code == .ambiguous)
            #expect(sandbox.account.jobs.count == 1)
        }
    }

    @Test("refusals at the start: nothing was started")
    func refusals() async throws {
        try await Workbench.runOnSandbox { bench, sandbox, _ in
            let csv = try await providerError {
                _ = try await bench.submit(["reportId": .string(SandboxSeed.powerBIReportID), "format": "CSV"])
            }
            #expect(csv.code == .invalid)
            #expect(csv.upstream?.code == "InvalidRequest")
            let unknown = try await providerError {
                _ = try await bench.submit(["reportId": .string(SandboxSeed.groupID), "format": "PDF"])
            }
            #expect(unknown.code == .notFound)
            let group = try await providerError {
                _ = try await bench.submit([
                    "groupId": .string(SandboxSeed.powerBIReportID), "reportId": .string(SandboxSeed.powerBIReportID),
                    "format": "PDF",
                ])
            }
            #expect(group.code == .forbidden)
            sandbox.addRule(SandboxRule(operation: "power-bi.start", fault: .throttled(retryAfter: "300")))
            let throttled = try await providerError { _ = try await bench.submit(Self.pdf) }
            #expect(throttled.code == .throttled)
            #expect(throttled.retryAfter == .seconds(300))
            #expect(sandbox.account.jobs.isEmpty)
        }
    }

    @Test("downloads that are gone, turned into a page, cut or of a wrong length never look like the file")
    func downloads() async throws {
        try await Workbench.runOnSandbox { bench, sandbox, time in
            let reference = try await bench.submit(Self.pdf).reference
            time.advance(by: .seconds(3))
            for (fault, code) in [
                (.expiredLink, .gone), (.htmlSignIn, .permanent), (.cutDownload(afterBytes: 1000), .transient),
                (.wrongLength(), .transient),
            ] as [(SandboxFault, ProviderError.Code)] {
                sandbox.addRule(SandboxRule(operation: "power-bi.file", times: 1, fault: fault))
                let error = try await providerError { _ = try await bench.open(reference).collected() }
                #expect(error.code == code, "\(fault)")
            }
            sandbox.addRule(SandboxRule(operation: "power-bi.file", times: 1, fault: .noContentLength))
            let chunked = try await bench.open(reference)
            #expect(chunked.head.contentLength == nil)
            #expect(try await chunked.collected().count == 65_536)
            time.advance(by: .seconds(25 * 3600))
            let error = try await providerError { _ = try await bench.open(reference) }
            #expect(error.code == .gone)
        }
    }
}
