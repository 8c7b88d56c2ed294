@testable import ExportEngine
import ExportLedger
import Exports
import Testing

@Suite struct CancellationLifeTests {
    @Test func beforeTheStartItIsDone() {
        var life = Life()
        life.take(.cancelRequested(withOwnersToken: true))
        #expect(life.export.status == .canceled)
        #expect(life.export.cancellation == .confirmed)
        #expect(life.record.fence == 2)
    }

    @Test func wishDuringTheStartIsFulfilledAfterwards() {
        var life = Life.submitting { $0.cancel = true }
        life.take(.cancelRequested(withOwnersToken: true))
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

    @Test func aWishThatNobodyCouldBeAskedForIsNotSaidToHaveBeen() {
        var refused = Life.submitting { $0.cancel = true }
        refused.take(.cancelRequested(withOwnersToken: true), .submissionFailed(Life.error(.invalid)))
        #expect(refused.export.status == .failed)
        #expect(refused.export.cancellation == nil)
        // Asked, and ended all the same.
        var asked = Life.tracked { $0.cancel = true }
        asked.take(.cancelRequested(withOwnersToken: true), .cancelFailed(Life.error(.transient)))
        asked.take(.observed(.succeeded()))
        #expect(asked.export.status == .succeeded)
        #expect(asked.export.cancellation == .requested)
    }

    @Test func wishDuringAStartThatFailsIsConfirmed() {
        var life = Life.submitting()
        life.take(.cancelRequested(withOwnersToken: true), .submissionFailed(Life.error(.transient)))
        #expect(life.export.status == .canceled)
        #expect(life.export.cancellation == .confirmed)
    }

    @Test func wishDuringAnUnconfirmedStart() {
        var searched = Life.submitting {
            $0.reconcile = true
            $0.cancel = true
        }
        searched.take(.cancelRequested(withOwnersToken: true), .submissionFailed(Life.error(.ambiguous)))
        #expect(searched.step == .reconcile)
        var found = searched
        found.take(.reconciled(Life.submission))
        #expect(found.step == .cancel)
        searched.take(.reconciled(nil), .reconciled(nil))
        #expect(searched.step == .reconcile)
        searched.take(.reconciled(nil), after: .seconds(24 * 3600))
        #expect(searched.export.status == .canceled)
        #expect(searched.export.cancellation == .unsupported)
        #expect(searched.export.notice?.code == .submissionUnconfirmed)

        // Where a job cannot be canceled, it need not be found.
        var left = Life.submitting { $0.reconcile = true }
        left.take(.submissionFailed(Life.error(.ambiguous)), .cancelRequested(withOwnersToken: true))
        #expect(left.export.status == .canceled)
        #expect(left.export.cancellation == .unsupported)
        var lost = Life.submitting { $0.resubmitIsHarmless = true }
        lost.take(.cancelRequested(withOwnersToken: true), .submissionFailed(Life.error(.ambiguous)))
        #expect(lost.export.status == .canceled)
        #expect(lost.export.cancellation == .unsupported)
        #expect(lost.export.notice?.code == .submissionUnconfirmed)
    }

    @Test func withoutCancelTrackingStops() {
        for declares in [false, true] {
            var life = Life.tracked { $0.cancel = declares }
            life.take(.cancelRequested(withOwnersToken: true))
            if declares { life.take(.cancelFailed(Life.error(.unsupported))) }
            #expect(life.export.status == .canceled)
            #expect(life.export.cancellation == .unsupported)
            #expect(life.export.error?.code == .canceled)
            #expect(life.export.notice?.code == .unsupportedByProvider)
        }
    }

    @Test func unansweredCancelIsTriedAgainAfterAPoll() {
        var life = Life.tracked { $0.cancel = true }
        life.take(.cancelRequested(withOwnersToken: true))
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
        life.take(
            .cancelRequested(withOwnersToken: true),
            .cancelFailed(Life.error(.transient)),
            .observed(.succeeded())
        )
        #expect(life.export.status == .succeeded)
        #expect(life.export.cancellation == .requested)
        var stopped = Life.tracked { $0.cancel = true }
        stopped.take(
            .cancelRequested(withOwnersToken: true),
            .observed(Observation(.canceled, upstreamStatus: "canceled"))
        )
        #expect(stopped.export.cancellation == .confirmed)
    }

    @Test func wishThatComesDuringAPollIsNextInLine() {
        var life = Life.tracked { $0.cancel = true }
        life.take(.cancelRequested(withOwnersToken: true), Life.running())
        #expect(life.step == .cancel)
        #expect(life.wait == .zero)
    }

    @Test func refusedCancelIsDropped() {
        var life = Life.tracked { $0.cancel = true }
        life.take(.cancelRequested(withOwnersToken: true), .cancelFailed(Life.error(.conflict)))
        #expect(life.export.cancellation == nil)
        #expect(!life.record.cancelWished)
        #expect(life.record.progress.cancelRefusal?.code == .upstreamConflict)
        #expect(life.step == .observe)
    }

    @Test func canceledExportIsNotStartedAgain() {
        var busy = Observation(.failed, upstreamStatus: "Failed")
        busy.resubmitAfter = .seconds(1)
        var life = Life.tracked { $0.cancel = true }
        life.take(.cancelRequested(withOwnersToken: true), .observed(busy))
        #expect(life.export.status == .canceled)
        #expect(life.export.cancellation == .confirmed)
    }
}
