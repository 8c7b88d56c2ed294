@testable import ExportEngine
import ExportLedger
import Exports
import Testing

/// Exports of a ledger that was restored from a backup: what may have been started since is held.
@Suite struct RestoredLifeTests {
    private static func unconfirmed() -> Life {
        var life = Life.submitting { $0.reconcile = true }
        life.take(.submissionFailed(Life.error(.ambiguous)))
        return life
    }

    /// Every state in which nothing is known to be started.
    private static var unstarted: [Life] {
        var waiting = Life { $0.delegatedOnly = true }
        waiting.take(.authorizationMissing)
        var givenUp = unconfirmed()
        for _ in 0..<3 { givenUp.take(.reconciled(nil), after: .seconds(24 * 3600)) }
        return [Life(), Life.submitting(), unconfirmed(), waiting, givenUp]
    }

    @Test func whatMayHaveBeenStartedIsHeldAndKeepsItsStatus() {
        for before in Self.unstarted {
            var life = before
            life.take(.restored, after: .seconds(60))
            #expect(life.record.isHeld)
            #expect(life.step == .nothing && life.record.nextActionAt == nil)
            #expect(life.export.status == before.export.status)
            #expect(life.export.completedAt == before.export.completedAt)
            #expect(life.export.notice?.code == .heldAfterRestore)
            #expect(life.export.tracking == .background)
            #expect(life.export.revision == before.export.revision + 1)
            #expect(life.record.mayHaveUnknownJob && life.record.startIsUnconfirmed)
            // Once more changes nothing, and neither does anything that the gateway does by itself.
            let held = life.record
            life.take(
                .restored,
                .resumed,
                .submissionBegins(secretsInMemory: true),
                .submitted(Life.submission),
                .startRefused,
                .submissionFailed(Life.error(.ambiguous)),
                .reconciled(nil),
                .reconciled(Life.submission),
                .reconcileFailed(Life.error(.ambiguous)),
                .heldBack(Life.error(.throttled), mayEnd: true),
                .authorizationMissing,
                .authorizationArrived,
                .connectionMissing,
                .filesGone,
                after: .seconds(9 * 86_400)
            )
            #expect(life.record == held)
        }
    }

    @Test func anOperatorDecides() {
        for before in Self.unstarted {
            var released = before
            released.take(.restored, .decided(.notStarted))
            #expect(released.step == .submit && released.record.nextActionAt == released.now)
            #expect(released.export.status == .notStarted)
            #expect(released.export.notice == nil && released.export.completedAt == nil && released.export.error == nil)
            #expect(!released.record.isOfBackup && !released.record.mayHaveUnknownJob)
            released.take(.submissionBegins(secretsInMemory: true))
            #expect(released.record.phase == .submitting)

            var found = before
            found.take(.restored, .decided(.started(Life.submission)))
            #expect(found.step == .observe)
            #expect(found.record.reference == Life.submission.reference)
            #expect(found.export.notice == nil && !found.record.isOfBackup)

            var given = before
            given.take(.restored, .decided(.abandoned))
            #expect(given.record.phase == .settled)
            #expect(given.export.status == .canceled && given.export.cancellation == .unsupported)
        }
    }

    @Test func itsCallerCanCancelItAndLearnsThatItMayRun() {
        for cancels in [false, true] {
            var life = Life { $0.cancel = cancels }
            life.take(.restored)
            let fence = life.record.fence
            life.take(.cancelRequested(withOwnersToken: false))
            #expect(life.export.status == .canceled)
            #expect(life.export.cancellation == .unsupported)
            #expect(life.export.notice?.code == .submissionUnconfirmed)
            #expect(life.record.fence == fence + 1)
        }
    }

    @Test func whatIsTrackedIsPolledAndItsNextJobIsHeld() {
        var life = Life.tracked()
        let seen = life.export
        life.take(.restored)
        #expect(life.export == seen)
        #expect(life.step == .observe && life.record.isOfBackup && !life.record.isHeld)
        var busy = Observation(.failed, upstreamStatus: "Failed")
        busy.resubmitAfter = .seconds(5)
        life.take(.observed(busy), after: .seconds(30))
        #expect(life.record.isHeld && life.step == .nothing)
        #expect(life.export.status == .notStarted)
        #expect(life.export.notice?.code == .heldAfterRestore)
        #expect(life.export.notice?.detail.contains("has failed") == true)
        life.take(.decided(.notStarted))
        #expect(life.step == .submit)
    }

    @Test func aTrackedExportThatEndsIsNotHeld() {
        var life = Life.tracked()
        life.take(.restored, .observed(.succeeded()), after: .seconds(30))
        #expect(life.record.phase == .settled && life.export.status == .succeeded)
        #expect(!life.record.isHeld && life.export.notice == nil)
    }

    @Test func whatHasEndedIsLeftAlone() {
        var life = Life()
        life.take(.cancelRequested(withOwnersToken: false))
        let ended = life.record
        life.take(.restored)
        #expect(life.record == ended)
    }
}
