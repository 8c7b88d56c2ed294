@testable import ExportEngine
import ExportLedger
import Exports
import Testing

/// A job that has failed, or does not end, is given up for a new one where the adapter says that this helps.
@Suite struct ReplacementLifeTests {
    private static let rule = JobReplacement(age: .seconds(600), mostJobs: 3)

    private static func observed(
        _ status: ExportStatus,
        _ rule: JobReplacement? = Self.rule
    ) -> ExportLife.Event {
        var observation = Observation(status, upstreamStatus: "told")
        observation.replacement = rule
        return .observed(observation)
    }

    private static func submitted(_ id: String, _ rule: JobReplacement? = Self.rule) -> ExportLife.Event {
        var observation = Observation(.notStarted, upstreamStatus: "notStarted")
        observation.replacement = rule
        return .submitted(Submission(reference: UpstreamReference(id: id), observation: observation))
    }

    private static func begun() -> Life {
        var life = Life()
        life.take(.submissionBegins(secretsInMemory: true), submitted("job-1"))
        return life
    }

    @Test func jobThatDoesNotEndIsReplacedAtItsAge() {
        var life = Self.begun()
        life.take(Self.observed(.running), after: .seconds(599))
        #expect(life.step == .observe)
        #expect(life.export.notice == nil)
        life.take(Self.observed(.running), after: .seconds(1))
        #expect(life.step == .submit)
        #expect(life.wait == .seconds(5))
        #expect(life.record.reference == nil && life.export.upstream == nil)
        #expect(life.record.submittingSince == nil)
        #expect(life.record.progress.resubmissions == 1)
        #expect(life.export.status == .notStarted)
        #expect(life.export.notice?.code == .trackingTimedOut)
        #expect(life.export.notice?.detail.contains("job-1 did not end within 10 minutes") == true)
        #expect(life.export.notice?.detail.contains("job 2 of at most 3") == true)
    }

    @Test func ageIsCountedAgainForEachJobAndTheDeadlineIsNot() {
        var life = Self.begun()
        life.take(Self.observed(.running), after: .seconds(600))
        life.take(.submissionBegins(secretsInMemory: true), Self.submitted("job-2"), after: .seconds(5))
        #expect(life.export.upstream?.id == "job-2")
        #expect(life.export.notice?.detail.contains("This is job 2 of at most 3") == true)
        life.take(Self.observed(.running), after: .seconds(599))
        #expect(life.step == .observe)
        #expect(life.export.notice?.code == .trackingTimedOut)
        life.take(Self.observed(.notStarted), after: .seconds(1))
        #expect(life.step == .submit)
        #expect(life.record.progress.trackingSince == Life.start)
    }

    @Test func lastJobIsLeftToTheDeadline() {
        var life = Self.begun()
        for number in 2...3 {
            life.take(Self.observed(.running), after: .seconds(600))
            life.take(.submissionBegins(secretsInMemory: true), Self.submitted("job-\(number)"), after: .seconds(5))
        }
        life.take(Self.observed(.running), after: .seconds(6000))
        #expect(life.step == .observe)
        #expect(life.export.upstream?.id == "job-3")
        life.take(.observed(.succeeded()), after: .seconds(60))
        #expect(life.export.status == .succeeded)
        #expect(life.export.notice == nil && life.export.error == nil)
    }

    @Test func failedJobIsReplacedAtAnyAgeAndTheLastOneEndsTheExport() {
        var life = Self.begun()
        for number in 2...3 {
            life.take(Self.observed(.failed), after: .seconds(5))
            #expect(life.step == .submit)
            #expect(life.export.notice?.detail.contains("failed") == true)
            #expect(life.export.completedAt == nil && life.export.error == nil)
            life.take(.submissionBegins(secretsInMemory: true), Self.submitted("job-\(number)"), after: .seconds(5))
        }
        life.take(Self.observed(.failed), after: .seconds(5))
        #expect(life.export.status == .failed)
        #expect(life.export.error?.code == .exportFailed)
    }

    @Test func nothingIsReplacedWhereTheAdapterDoesNotSaySo() {
        for rule in [nil, JobReplacement(age: .seconds(600), mostJobs: 1)] {
            var life = Self.begun()
            life.take(Self.observed(.running, rule), after: .seconds(7200))
            #expect(life.step == .observe)
            life.take(Self.observed(.failed, rule))
            #expect(life.export.status == .failed)
        }
    }

    @Test func jobThatIsToBeCanceledIsNotReplaced() {
        var life = Life { $0.cancel = true }
        life.take(.submissionBegins(secretsInMemory: true), Self.submitted("job-1"))
        life.take(.cancelRequested(withOwnersToken: true), Self.observed(.running), after: .seconds(600))
        #expect(life.record.reference?.id == "job-1")
        life.take(Self.observed(.failed))
        #expect(life.export.status == .failed)
    }

    @Test func cancelBetweenTwoJobsEndsTheExport() {
        var life = Self.begun()
        life.take(Self.observed(.running), after: .seconds(600))
        life.take(.cancelRequested(withOwnersToken: true))
        #expect(life.export.status == .canceled)
        #expect(life.export.cancellation == .confirmed)
    }

    @Test func deadlineOfTheTrackingComesFirst() {
        var life = Self.begun()
        life.take(Self.observed(.running), after: .seconds(49 * 3600))
        #expect(life.export.status == .failed)
        #expect(life.export.error?.code == .trackingTimedOut)
    }

    @Test func lostStartOfANewJobIsUnconfirmed() {
        var life = Self.begun()
        life.take(Self.observed(.running), after: .seconds(600))
        life.take(.submissionBegins(secretsInMemory: true), after: .seconds(5))
        let begun = life.now
        #expect(life.record.submittingSince == begun)
        life.take(.submissionFailed(Life.error(.ambiguous)), after: .seconds(30))
        #expect(life.export.status == .unknown)
        #expect(life.export.error?.code == .submissionUnconfirmed)
        life.take(.decided(.started(Submission(reference: UpstreamReference(id: "job-2")))), after: .seconds(3600))
        life.take(Self.observed(.running), after: .seconds(599))
        #expect(life.step == .observe)
        #expect(life.export.upstream?.id == "job-2")
        life.take(Self.observed(.running), after: .seconds(1))
        #expect(life.step == .submit)
    }
}
