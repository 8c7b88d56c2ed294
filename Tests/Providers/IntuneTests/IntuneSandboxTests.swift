import Exports
import Intune
import JSON
import ManualClock
import MicrosoftSandbox
import SandboxBench
import ScriptedHost
import Testing
import UpstreamHTTP

/// Whole lives on the sandbox, and what it does to them.
@Suite struct IntuneSandboxTests {
    private static let options: JSONValue = ["reportName": .string(SandboxSeed.intuneReport)]

    private func run(
        keyForm: IntuneSettings.KeyForm = .slash,
        _ work: (Workbench, SandboxBench) async throws -> Void
    ) async throws {
        try await SandboxBench.run { sandbox in
            let settings = IntuneSettings(
                apiRoot: sandbox.api,
                keyForm: keyForm,
                blobHosts: [.origin(of: sandbox.blob)]
            )
            let client = sandbox.client(
                bearerHosts: settings.bearerHosts,
                openHosts: settings.openHosts,
                tokens: sandbox.applicationTokens
            )
            try await work(Workbench(IntuneProvider(settings: settings, client: client)), sandbox)
        }
    }

    @Test("started, watched, and fetched as a zip that holds the report under the job's name")
    func life() async throws {
        try await run { bench, sandbox in
            let submission = try await bench.submit(Self.options)
            #expect(submission.observation?.status == .notStarted)
            #expect(submission.observation?.expiresAt == nil)
            let reference = submission.reference
            #expect(reference.id.hasPrefix("DeviceCompliance_"))
            sandbox.clock.advance(by: .seconds(1))
            #expect(try await bench.observe(reference).upstreamStatus == "inProgress")
            sandbox.clock.advance(by: .seconds(2))
            let done = try await bench.observe(reference)
            #expect(done.status == .succeeded)
            #expect(done.files.map(\.name) == [reference.id + ".zip"])
            let expiry = try #require(done.expiresAt)
            #expect(expiry - sandbox.clock.now() > .seconds(5 * 3600))
            let bytes = try await bench.open(reference).collected()
            #expect(Int64(bytes.count) == sandbox.sandbox.account.jobs.first?.files.first?.size)
            let text = String(decoding: bytes, as: UTF8.self)
            #expect(text.contains("\(reference.id).csv"))
            #expect(text.contains("DeviceId,DeviceName,OwnerType,LastContact\n"))
        }
    }

    @Test("failed, stuck, unknown, and completed without its link")
    func outcomes() async throws {
        for fault in [.failed, .stuck, .unknownStatus("paused"), .metadataLag(seconds: 30)] as [SandboxFault] {
            try await run { bench, sandbox in
                sandbox.sandbox.addRule(SandboxRule(operation: "intune.start", fault: fault))
                let reference = try await bench.submit(Self.options).reference
                sandbox.clock.advance(by: .seconds(3))
                let observation = try await bench.observe(reference)
                switch fault {
                case .failed: #expect(observation.status == .failed && observation.replacement != nil)
                case .stuck: #expect(observation.status == .running && observation.replacement != nil)
                case .unknownStatus: #expect(observation.status == .unknown && observation.upstreamStatus == "paused")
                default:
                    #expect(observation.status == .running && observation.upstreamStatus == "completed")
                    sandbox.clock.advance(by: .seconds(30))
                    #expect(try await bench.observe(reference).status == .succeeded)
                }
            }
        }
    }

    @Test("refused starts: nothing was started, and the words say what to change")
    func refusals() async throws {
        try await run { bench, sandbox in
            for (options, word) in [
                (["reportName": "DeviceComplianse"], "reportName"),
                (["reportName": "DeviceEnrollmentFailures"], "reportName"),
                (["reportName": "FirewallStatus", "select": ["Status_loc"]], "select"),
            ] as [(JSONValue, String)] {
                let error = try await providerError { _ = try await bench.submit(options) }
                #expect(error.code == .invalid)
                #expect(error.detail.contains(word))
                #expect(error.upstream?.message?.contains("_version") == false)
            }
            #expect(sandbox.sandbox.account.jobs.isEmpty)
        }
    }

    @Test("a user without the permission is told so, in the words inside the words")
    func permission() async throws {
        try await SandboxBench.run { sandbox in
            let settings = IntuneSettings(apiRoot: sandbox.api)
            let client = sandbox.client(bearerHosts: settings.bearerHosts, tokens: sandbox.callersToken)
            let provider = IntuneProvider(settings: settings, client: client)
            var context = CallContext(requestID: "r", authorization: Secret(SandboxSeed.delegatedToken))
            context.priority = .start
            let plan = try provider.validate(Self.options).plan
            let marker = SubmissionMarker(
                exportID: try #require(ExportID("01981f3e-7c1a-7b52-9d3e-0242ac120002")),
                exportName: "n",
                notBefore: Timestamp(milliseconds: 0)
            )
            let error = try await providerError {
                _ = try await provider.submit(plan, secrets: [:], marker: marker, context: context)
            }
            #expect(error.code == .forbidden)
            #expect(error.upstream?.code == "Forbidden")
            #expect(error.upstream?.message?.hasPrefix("Application is not authorized") == true)
        }
    }

    @Test("an id with reserved characters is one step, and one key", arguments: IntuneSettings.KeyForm.allCases)
    func reservedID(form: IntuneSettings.KeyForm) async throws {
        try await run(keyForm: form) { bench, sandbox in
            sandbox.sandbox.addRule(SandboxRule(operation: "intune.start", fault: .idWithReserved))
            let reference = try await bench.submit(Self.options).reference
            #expect(reference.id.contains("+/="))
            sandbox.clock.advance(by: .seconds(3))
            #expect(try await bench.observe(reference).status == .succeeded)
            #expect(try await !bench.open(reference).collected().isEmpty)
        }
    }

    @Test("after the time of the link the job says expired")
    func expiry() async throws {
        try await run { bench, sandbox in
            let reference = try await bench.submit(Self.options).reference
            sandbox.clock.advance(by: .seconds(6 * 3600))
            #expect(try await bench.observe(reference).status == .expired)
            let error = try await providerError { _ = try await bench.open(reference) }
            #expect(error.code == .gone)
        }
    }
}
