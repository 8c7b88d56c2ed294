@testable import ExportEngine
import ExportLedger
import Exports
import Testing

/// Starts of which it is not known whether they happened.
@Suite struct UnconfirmedLifeTests {
    private static func unconfirmed(_ code: ProviderError.Code = .ambiguous) -> Life {
        var life = Life.submitting { $0.reconcile = true }
        life.take(.submissionFailed(Life.error(code)))
        return life
    }

    @Test(arguments: [
        ExportLife.Event.submissionFailed(Life.error(.ambiguous)), .submissionFailed(Life.error(.accepted)), .resumed,
    ])
    func isLookedForAndNeverStartedAgain(event: ExportLife.Event) {
        var life = Life.submitting { $0.reconcile = true }
        life.take(event, after: .seconds(1))
        #expect(life.export.status == .unknown)
        #expect(life.export.notice?.code == .submissionUnconfirmed)
        #expect(life.export.completedAt == nil && life.export.error == nil)
        var waits: [Duration] = []
        while life.record.export.completedAt == nil {
            #expect(life.step == .reconcile)
            waits.append(life.wait ?? .zero)
            life.take(after: life.wait ?? .zero)
            life.take(.reconciled(nil))
        }
        let first: [Duration] = [10, 20, 40, 80, 160, 320, 600].map { .seconds($0) }
        #expect(Array(waits.prefix(7)) == first)
        #expect(waits.reduce(.zero, +) == .seconds(24 * 3600))
        #expect(life.export.error?.code == .submissionUnconfirmed)
        #expect(life.export.completedAt == life.now)
        #expect(life.export.tracking == .background)
        // Its caller may stop asking; it is looked for all the same, four times a day, for seven days.
        var attempts = 0
        while life.record.phase == .submitting {
            #expect(life.step == .reconcile)
            #expect(life.wait == .seconds(6 * 3600))
            life.take(after: life.wait ?? .zero)
            life.take(.reconciled(nil))
            attempts += 1
        }
        #expect(attempts == 28)
        #expect(life.record.phase == .settled)
        #expect(life.export.status == .unknown)
        #expect(life.record.progress.submissionAttempts == 1)
    }

    @Test func isBoundWheneverItAppears() {
        for pause in [Duration.seconds(45), .seconds(23 * 3600), .seconds(25 * 3600), .seconds(100 * 3600)] {
            var life = Self.unconfirmed()
            life.take(.reconciled(nil), after: pause)
            #expect((life.export.completedAt != nil) == (pause >= .seconds(24 * 3600)))
            life.take(.reconciled(Life.submission), after: .seconds(60))
            #expect(life.step == .observe)
            #expect(life.export.status == .notStarted)
            #expect(life.export.completedAt == nil && life.export.error == nil && life.export.notice == nil)
            #expect(life.export.tracking == .background)
        }
    }

    @Test func failedAttemptsAreToldAndBackOff() {
        var life = Self.unconfirmed()
        var error = Life.error(.ambiguous)
        error.detail = "Two jobs: a, b."
        life.take(.reconcileFailed(error), after: .seconds(10))
        #expect(life.export.notice?.code == .submissionUnconfirmed)
        #expect(life.export.notice?.detail.contains("Two jobs: a, b.") == true)
        #expect(life.wait == .seconds(20))
        life.take(.reconcileFailed(Life.error(.throttled, retryAfter: .seconds(900))), after: .seconds(20))
        #expect(life.wait == .seconds(900))
        life.take(.reconcileFailed(Life.error(.forbidden)), after: .seconds(24 * 3600))
        #expect(life.export.error?.code == .submissionUnconfirmed)
        #expect(life.export.error?.detail.contains("It is forbidden.") == true)
    }

    @Test func aRestartChangesNothingAboutTheSearch() {
        var life = Self.unconfirmed()
        life.take(.reconciled(nil), after: .seconds(10))
        let since = life.record.progress.recoveringSince
        life.take(.resumed, after: .seconds(30 * 3600))
        #expect(life.record.progress.recoveringSince == since)
        // It is looked for once more before it is given up, however long nobody could look.
        #expect(life.export.completedAt == nil)
        #expect(life.step == .reconcile)
        life.take(.reconciled(nil))
        #expect(life.export.completedAt != nil)
    }

    // MARK: Where the operator accepts doubles

    @Test func twoMissesLetItBeRepeated() {
        var life = Life.submitting {
            $0.reconcile = true
            $0.resubmitIsHarmless = true
        }
        let began = life.record.submittingSince
        life.take(.submissionFailed(Life.error(.ambiguous)))
        life.take(.reconciled(nil), after: .seconds(10))
        #expect(life.step == .reconcile)
        life.take(.reconciled(nil), after: .seconds(10))
        #expect(life.step == .submit)
        #expect(life.wait == .zero)
        life.take(.submissionBegins(secretsInMemory: false))
        // A job of either attempt is ours.
        #expect(life.record.submittingSince == began)
    }

    @Test func anAcceptedStartIsNotRepeatedEvenThere() {
        for reconciles in [true, false] {
            var life = Life.submitting {
                $0.reconcile = reconciles
                $0.resubmitIsHarmless = true
            }
            life.take(.submissionFailed(Life.error(.accepted)))
            for _ in 0..<200 { life.take(.reconciled(nil), after: .seconds(600)) }
            #expect(life.export.error?.code == .submissionUnconfirmed)
            #expect(life.record.progress.submissionAttempts == 1)
            #expect(life.step != .submit)
        }
    }

    // MARK: Decisions

    @Test func somebodyDecides() {
        var waiting = Self.unconfirmed()
        var given = waiting
        given.take(.reconciled(nil), after: .seconds(25 * 3600))
        var settled = Life.submitting()
        settled.take(.submissionFailed(Life.error(.ambiguous)))
        #expect(settled.record.phase == .settled)
        for life in [waiting, given, settled] {
            var started = life
            started.take(.decided(.started(Life.submission)), after: .seconds(1))
            #expect(started.step == .observe)
            #expect(started.export.upstream?.id == "job")
            #expect(started.export.completedAt == nil && started.export.error == nil)

            var again = life
            again.take(.decided(.notStarted), after: .seconds(1))
            #expect(again.step == .submit)
            #expect(again.wait == .zero)
            #expect(again.export.status == .notStarted)
            #expect(again.export.completedAt == nil && again.export.error == nil && again.export.notice == nil)
            again.take(.submissionBegins(secretsInMemory: false))
            #expect(again.record.submittingSince == again.now)

            var over = life
            over.take(.decided(.abandoned), after: .seconds(1))
            #expect(over.export.status == .canceled)
            #expect(over.export.error?.code == .canceled)
            #expect(over.export.completedAt != nil)
            #expect(over.step == .nothing)
        }
        // An attempt that was under way finds the job after all.
        waiting.take(.decided(.notStarted), .reconciled(Life.submission))
        #expect(waiting.step == .observe)
    }

    @Test func whatIsKnownIsNotDecided() {
        var underWay = Life.submitting { $0.reconcile = true }
        var failed = Life.submitting()
        failed.take(.submissionFailed(Life.error(.invalid)))
        let accepted = Life()
        let tracked = Life.tracked()
        for life in [underWay, failed, accepted, tracked] {
            for decision in [ExportLife.Decision.started(Life.submission), .notStarted, .abandoned] {
                var other = life
                other.take(.decided(decision))
                #expect(other.record == life.record)
            }
        }
        underWay.take(.submitted(Life.submission))
        #expect(underWay.step == .observe)
    }

    @Test func aWrongIdLeavesItAsUnconfirmedAsItWas() {
        var life = Self.unconfirmed()
        life.take(.decided(.started(Life.submission)))
        life.take(.observationFailed(Life.error(.notFound)))
        life.take(.observationFailed(Life.error(.notFound)), after: .seconds(900))
        #expect(life.export.status == .unknown)
        #expect(life.export.error?.code == .submissionUnconfirmed)
        #expect(life.record.startIsUnconfirmed)
    }

    // MARK: Clocks

    @Test func aDueTimeOfAClockThatRanAheadIsNotWaitedFor() {
        var life = Life.tracked()
        life.take(Life.running(), after: .seconds(86_400))
        #expect(life.record.dueTime(at: life.now) == life.now + .seconds(5))
        life.now = Life.start
        #expect(life.record.dueTime(at: life.now) == life.now)
        // Old rows do not tell when theirs was set.
        life.record.scheduledAt = nil
        #expect(life.record.dueTime(at: life.now) == life.now + .seconds(3600))
        // A wait that was asked for is kept.
        var held = Life.submitting()
        held.take(.submissionFailed(Life.error(.throttled, retryAfter: .seconds(3_000))))
        held.take(.resumed, after: .seconds(60))
        #expect(held.record.dueTime(at: held.now) == Life.start + .seconds(3_000))
    }

    @Test func boundsThatBeganInTheFutureBeginNow() {
        var life = Self.unconfirmed()
        life.record.progress.recoveringSince = Life.start + .seconds(86_400)
        life.take(.reconciled(nil), after: .seconds(10))
        #expect(life.record.progress.recoveringSince == life.now)
        #expect(life.wait == .seconds(20))
    }

    @Test func theMarkerKnowsTheUpstreamsClock() {
        var life = Life()
        life.take(.submissionBegins(secretsInMemory: false, upstreamTime: Life.start + .seconds(100)))
        #expect(life.record.marker.upstreamNotBefore == Life.start + .seconds(100))
        life.take(.submissionFailed(Life.error(.transient)))
        #expect(life.record.marker.upstreamNotBefore == nil)
    }
}
