@testable import ExportEngine
import ExportLedger
import Exports
import JSON
import Testing

@Suite struct TrackingLifeTests {
    @Test func pollsGrowRarerUnlessTheUpstreamSaysWhen() {
        var life = Life.tracked()
        var waits: [Duration?] = []
        for _ in 0..<8 {
            life.take(Life.running(), after: life.wait ?? .zero)
            waits.append(life.wait)
        }
        #expect(waits.first == .seconds(5))
        #expect(waits.last == .seconds(60))
        var observation = Observation(.running, upstreamStatus: "Running")
        observation.pollAfter = .seconds(17)
        life.take(.observed(observation))
        #expect(life.wait == .seconds(17))
        observation.pollAfter = .zero
        life.take(.observed(observation))
        #expect(life.wait == .seconds(1))
    }

    @Test func revisionCountsWhatAClientSees() {
        var life = Life.tracked()
        let revision = life.export.revision
        life.take(Life.running(10), after: .seconds(5))
        #expect(life.export.revision == revision + 1)
        #expect(life.export.updatedAt == life.now)
        let updatedAt = life.export.updatedAt
        life.take(Life.running(10), after: .seconds(5))
        #expect(life.export.revision == revision + 1)
        #expect(life.export.updatedAt == updatedAt)
        #expect(life.export.observedAt == life.now)
    }

    @Test(arguments: [(-5, 0), (40, 40), (900, 100)])
    func percentIsAPercentage(told: Int, kept: Int) {
        var life = Life.tracked()
        life.take(Life.running(told))
        #expect(life.export.percentComplete == kept)
    }

    @Test func successHasFilesAndAnEnd() {
        var life = Life.tracked { $0.downloadLifetime = .seconds(100) }
        var observation = Observation.succeeded(files: 2)
        observation.completedAt = Life.start + .seconds(30)
        life.take(.observed(observation), after: .seconds(60))
        #expect(life.export.status == .succeeded)
        #expect(life.export.files.count == 2)
        #expect(life.export.completedAt == Life.start + .seconds(30))
        #expect(life.export.expiresAt == Life.start + .seconds(130))
        #expect(life.export.error == nil && life.export.notice == nil)
    }

    @Test func upstreamsOwnExpiryCounts() {
        var life = Life.tracked { $0.downloadLifetime = .seconds(100) }
        life.take(.observed(.succeeded(expiresAt: Life.start + .seconds(7))))
        #expect(life.export.expiresAt == Life.start + .seconds(7))
    }

    @Test func partialSuccessSaysSo() {
        var life = Life.tracked()
        var observation = Observation.succeeded()
        observation.status = .partiallySucceeded
        life.take(.observed(observation))
        #expect(life.export.status == .partiallySucceeded)
        #expect(life.export.error?.code == .exportPartiallySucceeded)
        #expect(life.export.files.count == 1)
    }

    @Test func failureKeepsTheUpstreamsWord() {
        var life = Life.tracked()
        var observation = Observation(.failed, upstreamStatus: "submissionFailed")
        observation.failure = ExportFailure(.submissionFailed, "No.", upstream: UpstreamErrorInfo(code: "X"))
        life.take(.observed(observation))
        #expect(life.export.status == .failed)
        #expect(life.export.error == observation.failure)
        #expect(life.export.upstream == UpstreamState(id: "job", status: "submissionFailed"))
        var silent = Life.tracked()
        silent.take(.observed(Observation(.failed, upstreamStatus: "Failed")))
        #expect(silent.export.error?.code == .exportFailed)
    }

    @Test func canceledAndExpiredUpstreamEndIt() {
        for status in [ExportStatus.canceled, .expired] {
            var life = Life.tracked()
            life.take(.observed(Observation(status, upstreamStatus: "x")))
            #expect(life.export.status == status)
            #expect(life.export.cancellation == nil)
            #expect(life.export.completedAt == life.now)
            #expect(life.export.error?.code == (status == .canceled ? .canceled : .expired))
            #expect(life.step == .nothing)
        }
    }

    @Test(arguments: [ExportStatus.succeeded, .partiallySucceeded, .failed, .canceled, .expired])
    func terminalStatusIsNeverLeft(status: ExportStatus) {
        var life = Life.tracked()
        life.take(.observed(Observation(status, upstreamStatus: "x")))
        let settled = life.record
        life.take(
            Life.running(),
            .observed(.succeeded()),
            .observationFailed(Life.error(.transient)),
            .cancelRequested(withOwnersToken: true),
            .submissionBegins(secretsInMemory: true),
            .submitted(Life.submission),
            .reconciled(nil),
            .resumed,
            .canceledUpstream,
            .cancelFailed(Life.error(.transient)),
            .authorizationMissing,
            .authorizationArrived,
            .connectionMissing,
            after: .seconds(1)
        )
        #expect(life.record == settled)
    }

    @Test func onlySuccessesExpire() {
        var life = Life.tracked()
        life.take(.observed(.succeeded()))
        let revision = life.export.revision
        life.take(.filesGone)
        #expect(life.export.status == .expired)
        #expect(life.export.files.count == 1)
        #expect(life.export.error?.code == .expired)
        #expect(life.export.revision == revision + 1)
        var failed = Life.tracked()
        failed.take(.observed(Observation(.failed, upstreamStatus: "Failed")), .filesGone)
        #expect(failed.export.status == .failed)
    }

    @Test func unknownStatusIsPolledWithinABound() {
        var life = Life.tracked()
        let strange = ExportLife.Event.observed(Observation(.unknown, upstreamStatus: "Undefined"))
        life.take(strange)
        #expect(life.export.status == .unknown)
        #expect(life.step == .observe)
        life.take(Life.running(), after: .seconds(3000))
        life.take(strange, after: .seconds(3000))
        life.take(strange, after: .seconds(3599))
        #expect(life.step == .observe)
        life.take(strange, after: .seconds(1))
        #expect(life.record.phase == .settled)
        #expect(life.export.status == .unknown)
        #expect(life.export.error?.code == .trackingTimedOut)
    }

    @Test func trackingHasAnEnd() {
        for event in [Life.running(), .observationFailed(Life.error(.transient))] {
            var life = Life.tracked()
            life.take(event, after: .seconds(48 * 3600))
            #expect(life.export.status == .failed)
            #expect(life.export.error?.code == .trackingTimedOut)
        }
        // A job that has ended meanwhile is not lost.
        var life = Life.tracked()
        life.take(.observed(.succeeded()), after: .seconds(48 * 3600))
        #expect(life.export.status == .succeeded)
    }

    @Test func failedPollLeavesTheStatusAndSaysStale() {
        var life = Life.tracked()
        life.take(Life.running(40))
        life.take(.observationFailed(Life.error(.throttled, retryAfter: .seconds(90))))
        #expect(life.export.status == .running)
        #expect(life.export.stale)
        #expect(life.export.notice?.code == .upstreamThrottled)
        #expect(life.wait == .seconds(90))
        let revision = life.export.revision
        life.take(.observationFailed(Life.error(.throttled)), after: .seconds(90))
        #expect(life.export.revision == revision)
        life.take(Life.running(40))
        #expect(!life.export.stale)
        #expect(life.export.notice == nil)
    }

    @Test(arguments: [ProviderError.Code.notFound, .gone])
    func jobThatIsNotThereEndsAfterATimeAndNotAfterSomeAnswers(code: ProviderError.Code) {
        var life = Life.tracked()
        let missing = ExportLife.Event.observationFailed(Life.error(code))
        for _ in 0..<20 { life.take(missing, after: .seconds(2)) }
        #expect(life.step == .observe)
        #expect(life.export.stale)
        life.take(Life.running(), after: .seconds(2))
        #expect(life.record.progress.missingSince == nil)
        life.take(missing, after: .seconds(2))
        // Another failure says nothing of whether the job exists.
        life.take(.observationFailed(Life.error(.transient)), after: .seconds(600))
        life.take(missing, after: .seconds(299))
        #expect(life.step == .observe)
        life.take(missing, after: .seconds(1))
        #expect(life.export.status == .failed)
        #expect(life.export.completedAt == life.now)
        #expect(life.export.error?.code == Life.error(code).problem)
    }

    @Test func busyUpstreamIsTriedThreeTimesMore() {
        var busy = Observation(.failed, upstreamStatus: "Failed")
        busy.resubmitAfter = .seconds(20)
        var life = Life.tracked()
        for number in 1...3 {
            life.take(.observed(busy), after: .seconds(5))
            #expect(life.step == .submit)
            #expect(life.wait == .seconds(20))
            #expect(life.record.reference == nil)
            #expect(life.export.status == .notStarted)
            #expect(life.export.notice?.code == .upstreamBusy)
            #expect(life.record.progress.resubmissions == number)
            let startedAt = life.now + .seconds(20)
            life.take(.submissionBegins(secretsInMemory: false), .submitted(Life.submission), after: .seconds(20))
            // A job of an earlier run is not this one.
            #expect(life.record.submittingSince == startedAt)
        }
        life.take(.observed(busy))
        #expect(life.export.status == .failed)
        #expect(life.export.error?.code == .upstreamBusy)
    }

    @Test func filesThatAreLateAreWaitedFor() {
        var late = Observation(.succeeded, upstreamStatus: "succeeded")
        late.filesPending = true
        var life = Life.tracked()
        let begun = life.now
        while life.now < begun + .seconds(55) {
            life.take(.observed(late), after: .seconds(5))
            #expect(life.export.status == .running)
            #expect(life.wait.map { $0 <= .seconds(5) } == true)
        }
        var inTime = life
        inTime.take(.observed(.succeeded()))
        #expect(inTime.export.files.count == 1)
        #expect(inTime.export.notice == nil)
        life.take(.observed(late), after: .seconds(10))
        #expect(life.export.status == .succeeded)
        #expect(life.export.isFinal)
        #expect(life.export.files.isEmpty)
        #expect(life.export.notice?.code == .filesMissing)
        // It is not given up.
        #expect(life.record.phase == .tracking)
        #expect(life.export.tracking == .background)
    }

    /// A success without files, as it is after the time in which it counted as running.
    private func withoutFiles() -> Life {
        var late = Observation(.succeeded, upstreamStatus: "succeeded")
        late.filesPending = true
        var life = Life.tracked()
        life.take(.observed(late))
        life.take(.observed(late), after: .seconds(60))
        return life
    }

    @Test func filesThatAreVeryLateAreLookedForAsLongAsTheyWouldBeKept() throws {
        var late = Observation(.succeeded, upstreamStatus: "succeeded")
        late.filesPending = true
        var life = withoutFiles()
        let completedAt = life.export.completedAt
        var polls = 0
        var waits: [Duration] = []
        while life.record.phase == .tracking, polls < 10_000 {
            let wait = try #require(life.wait)
            waits.append(wait)
            polls += 1
            life.take(.observed(late), after: wait)
            #expect(life.export.status == .succeeded)
            #expect(life.export.completedAt == completedAt)
        }
        #expect(waits.first.map { $0 <= .seconds(8) } == true)
        #expect(waits.max().map { $0 <= .seconds(600) } == true)
        #expect(polls < 2500)
        #expect(life.now >= (completedAt ?? life.now) + .seconds(14 * 86_400))
        #expect(life.export.notice?.code == .filesMissing)
    }

    @Test func filesThatAreFoundLateSettleTheExport() {
        var life = withoutFiles()
        life.take(.observationFailed(ProviderError(.transient, "Wait.")), after: .seconds(3600))
        #expect(life.export.status == .succeeded)
        #expect(!life.export.stale)
        life.take(.observed(Observation(.running, upstreamStatus: "running")), after: .seconds(600))
        #expect(life.export.status == .succeeded)
        life.take(.observed(.succeeded()), after: .seconds(600))
        #expect(life.record.phase == .settled)
        #expect(life.export.files.count == 1)
        #expect(life.export.notice == nil)
        #expect(life.record.nextActionAt == nil)
    }

    @Test func aSuccessWithoutFilesIsNotTakenBack() {
        var life = withoutFiles()
        life.take(.observed(Observation(.failed, upstreamStatus: "failed")))
        #expect(life.export.status == .succeeded)
        life.take(.cancelRequested(withOwnersToken: true))
        #expect(life.export.status == .succeeded)
        life.take(.authorizationMissing)
        #expect(life.export.status == .succeeded)
        #expect(life.record.progress.awaitsAuthorization)
        life.take(.authorizationArrived)
        // Once may be a moment, for long enough is an end.
        life.take(.observationFailed(ProviderError(.notFound, "What?")))
        #expect(life.export.status == .succeeded)
        life.take(.observationFailed(ProviderError(.notFound, "What?")), after: EngineSettings().missingBound)
        #expect(life.export.status == .expired)
        #expect(life.record.phase == .settled)
    }

    @Test func aSuccessWithoutFilesExpires() {
        var life = withoutFiles()
        life.take(.filesGone)
        #expect(life.export.status == .expired)
        #expect(life.record.phase == .settled)
        var other = withoutFiles()
        other.take(.observed(Observation(.expired, upstreamStatus: "expired")))
        #expect(other.export.status == .expired)
    }

    @Test func filesMadeElsewhereAreNotWaitedFor() {
        var done = Observation(.succeeded, upstreamStatus: "succeeded")
        done.filesPending = true
        var life = Life.tracked(plan: ExportPlan(source: [:], suggestedName: "n", destination: "https://a/b"))
        life.take(.observed(done))
        #expect(life.export.status == .succeeded)
        #expect(life.export.destination == "https://a/b")
        #expect(life.export.notice == nil)
    }

    @Test func missingConnectionIsSaid() {
        var life = Life.tracked()
        life.take(.connectionMissing)
        #expect(life.export.stale)
        #expect(life.export.notice?.code == .unavailable)
        #expect(life.record.phase == .tracking)
    }
}
