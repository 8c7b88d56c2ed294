@testable import ExportEngine
import ExportLedger
import Exports
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
            .cancelRequested,
            .submissionBegins(secretsAtHand: true),
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
    func jobThatIsNotThereEndsAfterThreeAnswers(code: ProviderError.Code) {
        var life = Life.tracked()
        life.take(.observationFailed(Life.error(code)), .observationFailed(Life.error(code)), Life.running())
        life.take(.observationFailed(Life.error(code)), .observationFailed(Life.error(code)))
        #expect(life.step == .observe)
        life.take(.observationFailed(Life.error(code)))
        #expect(life.export.status == .failed)
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
            life.take(.submissionBegins(secretsAtHand: false), .submitted(Life.submission), after: .seconds(20))
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
        for _ in 0..<12 {
            life.take(.observed(late), after: .seconds(5))
            #expect(life.export.status == .running)
            #expect(life.wait == .seconds(5))
        }
        var inTime = life
        inTime.take(.observed(.succeeded()))
        #expect(inTime.export.files.count == 1)
        #expect(inTime.export.notice == nil)
        life.take(.observed(late))
        #expect(life.export.status == .succeeded)
        #expect(life.export.files.isEmpty)
        #expect(life.export.notice?.code == .filesMissing)
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

@Suite struct AuthorizationLifeTests {
    @Test func refusedTokenIsWaitedFor() {
        for event in [
            ExportLife.Event.observationFailed(Life.error(.unauthenticated)), .authorizationMissing,
        ] {
            var life = Life.tracked { $0.delegatedOnly = true }
            life.take(event)
            #expect(life.step == .awaitAuthorization)
            #expect(life.export.stale)
            #expect(life.export.notice?.code == .upstreamAuthorizationRequired)
            life.take(.authorizationArrived, after: .seconds(60))
            #expect(life.step == .observe)
            #expect(life.wait == .zero)
        }
    }

    @Test func refusedTokenBeforeTheStartIsWaitedFor() {
        var life = Life.submitting { $0.delegatedOnly = true }
        life.take(.submissionFailed(Life.error(.unauthenticated)))
        #expect(life.record.phase == .accepted)
        #expect(life.step == .awaitAuthorization)
        life.take(.authorizationArrived)
        #expect(life.step == .submit)
    }

    @Test func callersTokenIsRecognisedByTheProblem() {
        var life = Life.tracked()
        life.take(
            .observationFailed(ProviderError(.unauthenticated, "x", problem: .upstreamAuthorizationRequired))
        )
        #expect(life.step == .awaitAuthorization)
        var own = Life.tracked()
        own.take(.observationFailed(Life.error(.unauthenticated)))
        #expect(own.step == .observe)
        #expect(own.export.notice?.code == .upstreamUnauthenticated)
    }

    @Test func waitingHasAnEnd() {
        var accepted = Life { $0.delegatedOnly = true }
        accepted.take(.authorizationMissing)
        #expect(accepted.wait == .seconds(3600))
        accepted.take(.authorizationMissing, after: .seconds(3600))
        #expect(accepted.export.status == .failed)
        #expect(accepted.export.error?.code == .upstreamAuthorizationRequired)

        var unconfirmed = Life.submitting {
            $0.delegatedOnly = true
            $0.reconcile = true
        }
        unconfirmed.take(.resumed, .reconcileFailed(Life.error(.unauthenticated)))
        #expect(unconfirmed.step == .awaitAuthorization)
        unconfirmed.take(.authorizationMissing, after: .seconds(3600))
        #expect(unconfirmed.export.status == .unknown)
        #expect(unconfirmed.export.error?.code == .submissionUnconfirmed)
    }
}

@Suite struct CancellationLifeTests {
    @Test func beforeTheStartItIsDone() {
        var life = Life()
        life.take(.cancelRequested)
        #expect(life.export.status == .canceled)
        #expect(life.export.cancellation == .confirmed)
        #expect(life.record.fence == 2)
    }

    @Test func wishDuringTheStartIsFulfilledAfterwards() {
        var life = Life.submitting { $0.cancel = true }
        life.take(.cancelRequested)
        #expect(life.record.phase == .submitting)
        #expect(life.record.fence == 1)
        #expect(life.export.cancellation == .requested)
        life.take(.submitted(Life.submission))
        #expect(life.step == .cancel)
        #expect(life.wait == .zero)
        life.take(.canceledUpstream)
        #expect(life.export.status == .canceled)
        #expect(life.export.cancellation == .confirmed)
    }

    @Test func wishDuringAStartThatFailsIsConfirmed() {
        var life = Life.submitting()
        life.take(.cancelRequested, .submissionFailed(Life.error(.transient)))
        #expect(life.export.status == .canceled)
        #expect(life.export.cancellation == .confirmed)
    }

    @Test func wishDuringAnUnconfirmedStart() {
        var searched = Life.submitting {
            $0.reconcile = true
            $0.cancel = true
        }
        searched.take(.cancelRequested, .submissionFailed(Life.error(.ambiguous)))
        #expect(searched.step == .reconcile)
        var found = searched
        found.take(.reconciled(Life.submission))
        #expect(found.step == .cancel)
        searched.take(.reconciled(nil), .reconciled(nil))
        #expect(searched.export.status == .canceled)
        #expect(searched.export.cancellation == .confirmed)

        var lost = Life.submitting { $0.resubmitIsHarmless = true }
        lost.take(.cancelRequested, .submissionFailed(Life.error(.ambiguous)))
        #expect(lost.export.status == .canceled)
        #expect(lost.export.cancellation == .unsupported)
        #expect(lost.export.notice?.code == .submissionUnconfirmed)
    }

    @Test func withoutCancelTrackingStops() {
        for declares in [false, true] {
            var life = Life.tracked { $0.cancel = declares }
            life.take(.cancelRequested)
            if declares { life.take(.cancelFailed(Life.error(.unsupported))) }
            #expect(life.export.status == .canceled)
            #expect(life.export.cancellation == .unsupported)
            #expect(life.export.error == nil)
            #expect(life.export.notice?.code == .unsupportedByProvider)
        }
    }

    @Test func unansweredCancelIsTriedAgainAfterALook() {
        var life = Life.tracked { $0.cancel = true }
        life.take(.cancelRequested)
        #expect(life.step == .cancel)
        life.take(.cancelFailed(Life.error(.transient)))
        #expect(life.export.status != .canceled)
        #expect(life.export.cancellation == .requested)
        #expect(life.step == .observe)
        #expect(life.wait == .seconds(2))
        life.take(Life.running())
        #expect(life.step == .cancel)
        #expect(life.wait == .seconds(5))
        life.take(.canceledUpstream)
        #expect(life.export.cancellation == .confirmed)
    }

    @Test func jobCanEndBeforeItIsCanceled() {
        var life = Life.tracked { $0.cancel = true }
        life.take(.cancelRequested, .cancelFailed(Life.error(.transient)), .observed(.succeeded()))
        #expect(life.export.status == .succeeded)
        #expect(life.export.cancellation == .requested)
        var stopped = Life.tracked { $0.cancel = true }
        stopped.take(.cancelRequested, .observed(Observation(.canceled, upstreamStatus: "canceled")))
        #expect(stopped.export.cancellation == .confirmed)
    }

    @Test func wishThatComesDuringAPollIsNextInLine() {
        var life = Life.tracked { $0.cancel = true }
        life.take(.cancelRequested, Life.running())
        #expect(life.step == .cancel)
        #expect(life.wait == .zero)
    }

    @Test func refusedCancelIsForgotten() {
        var life = Life.tracked { $0.cancel = true }
        life.take(.cancelRequested, .cancelFailed(Life.error(.conflict)))
        #expect(life.export.cancellation == nil)
        #expect(!life.record.cancelWished)
        #expect(life.record.progress.cancelRefusal?.code == .upstreamConflict)
        #expect(life.step == .observe)
    }

    @Test func canceledExportIsNotStartedAgain() {
        var busy = Observation(.failed, upstreamStatus: "Failed")
        busy.resubmitAfter = .seconds(1)
        var life = Life.tracked { $0.cancel = true }
        life.take(.cancelRequested, .observed(busy))
        #expect(life.export.status == .canceled)
        #expect(life.export.cancellation == .confirmed)
    }
}
