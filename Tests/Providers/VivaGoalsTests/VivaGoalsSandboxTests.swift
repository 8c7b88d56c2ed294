import Exports
import JSON
import ManualClock
import MicrosoftSandbox
import ScriptedHost
import Testing

@testable import VivaGoals

/// Whole lives on the sandbox, and what it does to them.
@Suite struct VivaGoalsSandboxTests {
    @Test("started, watched, fetched; Location in double quotes")
    func life() async throws {
        try await Workbench.runOnSandbox { bench, sandbox, time in
            let submission = try await bench.submit()
            #expect(submission.observation?.status == .notStarted)
            let reference = submission.reference
            #expect(reference.id == sandbox.account.jobs.first?.id)
            time.advance(by: .seconds(1))
            let running = try await bench.observe(reference)
            #expect(running.status == .running)
            #expect(running.pollAfter == .seconds(1))
            time.advance(by: .seconds(2))
            let done = try await bench.observe(reference)
            #expect(done.status == .succeeded)
            #expect(done.files == [ExportFile(id: "1", name: "Goals of 2025.csv", contentType: "text/csv")])
            let expiry = try #require(done.expiresAt)
            #expect(expiry > time.now())
            let body = try await bench.open(reference)
            #expect(body.head.contentType?.hasPrefix("text/csv") == true)
            let bytes = try await body.collected()
            #expect(Int64(bytes.count) == sandbox.account.jobs.first?.files.first?.size)
            time.advance(by: .seconds(25 * 3600))
            let error = try await providerError { _ = try await bench.open(reference) }
            #expect(error.code == .gone)
        }
    }

    @Test("one job at a time for each view; the next may start when it has ended")
    func conflict() async throws {
        try await Workbench.runOnSandbox { bench, _, time in
            let first = try await bench.submit().reference
            let error = try await providerError { _ = try await bench.submit() }
            #expect(error.code == .conflict)
            #expect(error.existing == first.id)
            let other: JSONValue = [
                "goalsOrganizationId": .string(organizationID),
                "explorerViewId": "2c8b5fd3-67c3-4677-8eb3-e0066c4d2fd7",
            ]
            _ = try await bench.submit(other)
            time.advance(by: .seconds(3))
            let second = try await bench.submit().reference
            #expect(second.id != first.id)
        }
    }

    @Test("a start whose answer was lost is found again; before that there is none")
    func reconcile() async throws {
        try await Workbench.runOnSandbox { bench, sandbox, time in
            let before = time.now()
            let none = try await bench.reconcile(notBefore: before)
            #expect(none == nil)
            sandbox.addRule(
                SandboxRule(operation: "goals.start", times: 1, fault: .cutConnection(started: true))
            )
            let error = try await providerError { _ = try await bench.submit() }
            #expect(error.code == .ambiguous)
            let found = try await bench.reconcile(notBefore: before)
            #expect(found?.reference.id == sandbox.account.jobs.first?.id)
            time.advance(by: .seconds(3))
            let reference = try #require(found?.reference)
            let observation = try await bench.observe(reference)
            #expect(observation.status == .succeeded)
            let later = try await bench.reconcile(notBefore: time.now() + .seconds(120))
            #expect(later == nil)
        }
    }

    @Test("a wrapped entity, an id with reserved characters, and a status never seen before")
    func shapes() async throws {
        try await Workbench.runOnSandbox { bench, sandbox, time in
            sandbox.addRule(SandboxRule(operation: "goals.start", fault: .idWithReserved))
            sandbox.addRule(SandboxRule(operation: "goals.get", fault: .wrappedEntity))
            sandbox.addRule(SandboxRule(operation: "goals.get", times: 1, fault: .unknownStatus("skipped")))
            let reference = try await bench.submit().reference
            #expect(reference.id.hasSuffix("+/="))
            let skipped = try await bench.observe(reference)
            #expect(skipped.status == .unknown)
            #expect(skipped.upstreamStatus == "skipped")
            time.advance(by: .seconds(3))
            let done = try await bench.observe(reference)
            #expect(done.status == .succeeded)
            let bytes = try await bench.open(reference).collected()
            #expect(!bytes.isEmpty)
        }
    }

    @Test("a failure tells why")
    func failed() async throws {
        try await Workbench.runOnSandbox { bench, sandbox, time in
            sandbox.addRule(SandboxRule(operation: "goals.start", fault: .failed))
            let reference = try await bench.submit().reference
            time.advance(by: .seconds(3))
            let observation = try await bench.observe(reference)
            #expect(observation.status == .failed)
            #expect(observation.failure?.upstream?.message?.isEmpty == false)
        }
    }

    @Test("refusals, and downloads that are not the file")
    func refusals() async throws {
        try await Workbench.runOnSandbox { bench, sandbox, time in
            let unknown = try await providerError {
                _ = try await bench.submit([
                    "goalsOrganizationId": .string(viewID), "explorerViewId": .string(viewID),
                ])
            }
            #expect(unknown.code == .notFound)
            #expect(unknown.upstream?.code == "goalsOrganizationIdNotFound")
            let reference = try await bench.submit().reference
            time.advance(by: .seconds(3))
            for (fault, code) in [
                (.expiredLink, .gone), (.htmlSignIn, .permanent), (.cutDownload(afterBytes: 1000), .transient),
                (.wrongLength(), .transient), (.throttled(retryAfter: "2.128"), .throttled),
            ] as [(SandboxFault, ProviderError.Code)] {
                sandbox.addRule(SandboxRule(operation: "goals.content", times: 1, fault: fault))
                let error = try await providerError { _ = try await bench.open(reference).collected() }
                #expect(error.code == code, "\(fault)")
            }
        }
    }
}
