@testable import ExportEngine
import ExportLedger
import Exports
import JSON
import Testing

/// A life outside any engine: a record, a clock that stands where it is put, no jitter.
struct Life {
    static let start = Timestamp(milliseconds: 1_780_000_000_000)

    var life: ExportLife
    var record: LedgerRecord
    var now = start

    init(plan: ExportPlan? = nil, _ declare: (inout ProviderCapabilities) -> Void = { _ in }) {
        var capabilities = ProviderCapabilities(minimumPollInterval: .seconds(5))
        declare(&capabilities)
        life = ExportLife(
            capabilities: capabilities,
            ambiguousStart: capabilities.resubmitIsHarmless ? .repeat : .hold,
            settings: EngineSettings()
        )
        var generator = SystemRandomNumberGenerator()
        record = LedgerRecord(
            export: Export(
                id: ExportID(at: Self.start, random: &generator),
                provider: ProviderID("scripted"),
                connection: "main",
                name: "Name",
                createdAt: Self.start,
                createdBy: "alice",
                source: [:]
            ),
            plan: plan ?? ExportPlan(source: [:], suggestedName: "n")
        )
    }

    var export: Export { record.export }
    var step: ExportLife.Step { life.step(of: record) }
    /// How long until the next action.
    var wait: Duration? { record.nextActionAt.map { $0 - now } }

    mutating func take(_ events: ExportLife.Event..., after pause: Duration = .zero) {
        now = now + pause
        for event in events { life.apply(event, to: &record, at: now, jitter: 0) }
    }

    static let submission = Submission(reference: UpstreamReference(id: "job"))
    static func error(_ code: ProviderError.Code, retryAfter: Duration? = nil) -> ProviderError {
        ProviderError(code, "It is \(code.rawValue).", retryAfter: retryAfter)
    }
    static func running(_ percent: Int? = nil) -> ExportLife.Event {
        var observation = Observation(.running, upstreamStatus: "Running")
        observation.percentComplete = percent
        return .observed(observation)
    }

    static func tracked(
        plan: ExportPlan? = nil,
        _ declare: (inout ProviderCapabilities) -> Void = { _ in }
    ) -> Life {
        var life = Life(plan: plan, declare)
        life.take(.submissionBegins(secretsInMemory: true), .submitted(submission))
        return life
    }

    static func submitting(_ declare: (inout ProviderCapabilities) -> Void = { _ in }) -> Life {
        var life = Life(declare)
        life.take(.submissionBegins(secretsInMemory: false))
        return life
    }
}

@Suite struct SubmissionLifeTests {
    @Test func startIsStoredBeforeItIsMade() {
        var life = Life()
        #expect(life.step == .submit)
        life.take(.submissionBegins(secretsInMemory: false), after: .seconds(3))
        #expect(life.record.phase == .submitting)
        #expect(life.record.submittingSince == Life.start + .seconds(3))
        #expect(life.record.progress.submissionAttempts == 1)
        #expect(life.export.revision == 1)
    }

    @Test func startedJobIsTracked() {
        let life = Life.tracked()
        #expect(life.step == .observe)
        #expect(life.wait == .seconds(5))
        #expect(life.record.reference == UpstreamReference(id: "job"))
        #expect(life.export.upstream?.id == "job")
        #expect(life.export.revision == 2)
    }

    @Test func answerToTheStartCanTellAllAtOnce() {
        var life = Life.submitting()
        life.take(.submitted(Submission(reference: UpstreamReference(id: "job"), observation: .succeeded())))
        #expect(life.export.status == .succeeded)
        #expect(life.step == .nothing)
    }

    @Test(arguments: [ProviderError.Code.throttled, .transient])
    func startThatDidNotHappenIsTriedAgain(code: ProviderError.Code) {
        var life = Life.submitting()
        life.take(.submissionFailed(Life.error(code, retryAfter: .seconds(30))))
        #expect(life.step == .submit)
        #expect(life.record.phase == .accepted)
        #expect(life.wait == .seconds(30))
        #expect(life.export.notice?.code == Life.error(code).problem)
        #expect(life.export.status == .notStarted)
    }

    @Test func triesBackOff() {
        var life = Life()
        var waits: [Duration?] = []
        for _ in 0..<7 {
            life.take(.submissionBegins(secretsInMemory: false), .submissionFailed(Life.error(.transient)))
            waits.append(life.wait)
            life.take(after: life.wait ?? .zero)
        }
        #expect(waits == [2, 4, 8, 16, 32, 60, 60].map { .seconds($0) })
        // Each of them surely started nothing: only a job of the next one can be ours.
        #expect(life.record.submittingSince == nil)
    }

    @Test func triesEndAtTheDeadline() {
        var life = Life()
        life.take(
            .submissionBegins(secretsInMemory: false),
            .submissionFailed(Life.error(.throttled, retryAfter: .seconds(3595)))
        )
        life.take(
            .submissionBegins(secretsInMemory: false),
            .submissionFailed(Life.error(.throttled, retryAfter: .seconds(60))),
            after: .seconds(3595)
        )
        #expect(life.export.status == .failed)
        #expect(life.export.error?.code == .upstreamThrottled)
        #expect(life.export.completedAt == life.now)
    }

    private static func ownWait(_ position: Int, comeBackIn wait: Duration) -> ProviderError {
        var error = ProviderError(.throttled, "No place yet.", problem: .queued, retryAfter: wait)
        error.queue = QueuePlace(position: position, estimatedWait: wait + .seconds(10))
        return error
    }

    @Test("fault C2: no deadline runs while the gateway's own budget holds a start back")
    func ownWaitingIsNoFailure() {
        var life = Life()
        // Hours for a task, and hours for the budget.
        life.take(after: .seconds(7200))
        for _ in 0..<20 {
            life.take(.submissionFailed(Self.ownWait(12, comeBackIn: .seconds(900))))
            #expect(life.export.status == .notStarted)
            #expect(life.export.notice?.code == .queued)
            #expect(life.export.notice?.position == 12)
            #expect(life.export.notice?.estimatedStart == life.now + .seconds(910))
            #expect(life.step == .submit)
            #expect(life.wait == .seconds(900))
            life.take(after: .seconds(950))
        }
        // What the upstream puts off counts, without what the budget took in between.
        life.take(
            .submissionBegins(secretsInMemory: false),
            .submissionFailed(Life.error(.throttled, retryAfter: .seconds(3000)))
        )
        #expect(life.export.notice?.code == .upstreamThrottled)
        life.take(.submissionFailed(Self.ownWait(1, comeBackIn: .seconds(600))), after: .seconds(3500))
        life.take(.submissionBegins(secretsInMemory: false), after: .seconds(700))
        #expect(life.export.notice == nil)
        life.take(.submissionFailed(Life.error(.throttled, retryAfter: .seconds(500))))
        #expect(life.export.status == .notStarted)
        life.take(
            .submissionBegins(secretsInMemory: false),
            .submissionFailed(Life.error(.throttled, retryAfter: .seconds(101))),
            after: .seconds(500)
        )
        #expect(life.export.error?.code == .upstreamThrottled)
    }

    @Test func cancelingEndsAStartThatWaitsForTheBudget() {
        var life = Life()
        life.take(.submissionFailed(Self.ownWait(12, comeBackIn: .seconds(900))))
        life.take(.cancelRequested(withOwnersToken: true))
        #expect(life.export.status == .canceled)
        #expect(life.export.cancellation == .confirmed)
    }

    @Test(arguments: [
        ProviderError.Code.invalid, .unauthenticated, .forbidden, .notFound, .conflict, .permanent, .unsupported, .gone,
    ])
    func refusedStartFails(code: ProviderError.Code) {
        var life = Life.submitting()
        var error = Life.error(code)
        error.upstream = UpstreamErrorInfo(status: 400, code: "Bad", requestId: "r-1")
        life.take(.submissionFailed(error))
        #expect(life.export.status == .failed)
        #expect(life.export.error == ExportFailure(error.problem, error.detail, upstream: error.upstream))
        #expect(life.step == .nothing)
    }

    @Test func lostSecretEndsIt() {
        var life = Life(plan: ExportPlan(source: [:], suggestedName: "n", needsSecrets: true))
        life.take(.submissionBegins(secretsInMemory: false))
        #expect(life.export.status == .failed)
        #expect(life.export.error?.code == .secretLost)
        #expect(life.record.progress.submissionAttempts == 0)
    }

    // MARK: Unconfirmed starts

    @Test func foundJobIsTracked() {
        var life = Life.submitting { $0.reconcile = true }
        life.take(.submissionFailed(Life.error(.ambiguous)), .reconciled(nil), .reconciled(Life.submission))
        #expect(life.step == .observe)
        #expect(life.export.notice == nil)
        #expect(life.record.progress.reconcileMisses == 0)
    }

    @Test func harmlessRunIsRepeated() {
        var life = Life.submitting { $0.resubmitIsHarmless = true }
        life.take(.submissionFailed(Life.error(.ambiguous)))
        #expect(life.step == .submit)
        life.take(.submissionBegins(secretsInMemory: false), .resumed)
        #expect(life.step == .submit)
    }

    @Test func harmlessRunIsNotRepeatedForEver() {
        var life = Life.submitting { $0.resubmitIsHarmless = true }
        life.take(.submissionFailed(Life.error(.ambiguous)), after: .seconds(3600))
        #expect(life.export.status == .unknown)
        #expect(life.export.error?.code == .submissionUnconfirmed)
    }

    @Test func harmfulRunThatCannotBeLookedForIsUnknown() {
        for event in [ExportLife.Event.submissionFailed(Life.error(.ambiguous)), .resumed] {
            var life = Life.submitting()
            life.take(event)
            #expect(life.record.phase == .settled)
            #expect(life.export.status == .unknown)
            #expect(life.export.error?.code == .submissionUnconfirmed)
        }
    }

    @Test func timeWithoutAGatewayDoesNotCount() {
        var life = Life()
        life.take(.resumed, after: .seconds(100_000))
        life.take(.submissionBegins(secretsInMemory: false), .submissionFailed(Life.error(.transient)))
        #expect(life.step == .submit)
    }
}

@Suite struct BackoffTests {
    @Test func staysWithinItsBounds() {
        let backoff = Backoff(shortest: .seconds(5), longest: .seconds(60), factor: 1.5)
        for count in [0, 1, 2, 5, 10, 1_000_000] {
            for jitter in [0, 0.5, 0.999] {
                let wait = backoff.wait(after: count, jitter: jitter)
                #expect(wait >= .seconds(5) && wait <= .seconds(60))
            }
        }
        #expect(backoff.wait(after: 0, jitter: 0) == .seconds(5))
        #expect(backoff.wait(after: 100, jitter: 0) == .seconds(60))
        #expect(backoff.wait(after: 100, jitter: 0.5) == .seconds(54))
    }

    @Test func shortestCountsWhenItIsLonger() {
        let backoff = Backoff(shortest: .seconds(90), longest: .seconds(60))
        #expect(backoff.wait(after: 9, jitter: 0.9) == .seconds(90))
    }
}
