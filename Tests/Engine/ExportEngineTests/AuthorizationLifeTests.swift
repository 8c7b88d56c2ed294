@testable import ExportEngine
import ExportLedger
import Exports
import Testing

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

    @Test func theExportTellsWhatBringsItOn() {
        var life = Life { $0.delegatedOnly = true }
        #expect(life.export.tracking == .background)
        life.take(.submissionBegins(secretsInMemory: true), .submitted(Life.submission))
        #expect(life.export.tracking == .background)
        life.take(.authorizationMissing)
        #expect(life.export.tracking == .onRequest)
        let revision = life.export.revision
        life.take(.authorizationArrived)
        #expect(life.export.tracking == .background && life.export.revision == revision + 1)
        life.take(.authorizationArrived)
        #expect(life.export.revision == revision + 1)
        life.take(.observed(Observation(.succeeded, upstreamStatus: "Succeeded")))
        #expect(life.export.tracking == nil)
    }

    @Test func refusedTokenBeforeTheStartIsWaitedFor() {
        var life = Life.submitting { $0.delegatedOnly = true }
        life.take(.submissionFailed(Life.error(.unauthenticated)))
        #expect(life.record.phase == .accepted)
        #expect(life.step == .awaitAuthorization)
        life.take(.authorizationArrived)
        #expect(life.step == .submit)
    }

    private static let words = UpstreamErrorInfo(status: 401, code: "C", message: "No role.", requestId: "r")

    /// A token that is good may lack a right: why it was refused stands where the caller looks, until the export goes on.
    @Test func theReasonStandsInTheNotice() {
        let error = ProviderError(.unauthenticated, "Refused: no role.", upstream: Self.words)
        let reason =
            "Refused: no role. The export waits: ask for it with another token in the header Upstream-Authorization, and it "
            + "goes on; with the same one, it does after 60 seconds."
        var start = Life.submitting { $0.delegatedOnly = true }
        start.take(.submissionFailed(error))
        var search = Life.submitting {
            $0.delegatedOnly = true
            $0.reconcile = true
        }
        search.take(.resumed, .reconcileFailed(error))
        var poll = Life.tracked { $0.delegatedOnly = true }
        poll.take(.observationFailed(error))
        var cancel = Life.tracked {
            $0.delegatedOnly = true
            $0.cancel = true
        }
        cancel.take(.cancelRequested(withOwnersToken: true), .cancelFailed(error))
        for var life in [start, search, poll, cancel] {
            #expect(life.step == .awaitAuthorization)
            let notice = ExportNotice(.upstreamAuthorizationRequired, reason, upstream: Self.words)
            #expect(life.export.notice == notice)
            // After a restart, and when nothing has come, nothing better is known.
            life.take(.resumed, .authorizationMissing, after: .seconds(60))
            #expect(life.export.notice?.code == .upstreamAuthorizationRequired)
            #expect(life.export.notice == notice)
            life.take(.authorizationArrived, .authorizationMissing)
            #expect(life.export.notice?.upstream == nil)
        }
    }

    @Test func theReasonOutlivesTheWaiting() {
        let error = ProviderError(.unauthenticated, "Refused: no role.", upstream: Self.words)
        var waiting = Life.submitting { $0.delegatedOnly = true }
        waiting.take(.submissionFailed(error))
        waiting.take(.authorizationMissing, after: .seconds(3600))
        #expect(waiting.export.status == .failed)
        #expect(waiting.export.error?.code == .upstreamAuthorizationRequired)
        #expect(waiting.export.error?.upstream == Self.words)

        var late = Life.tracked { $0.delegatedOnly = true }
        late.take(.observationFailed(error), after: .seconds(48 * 3600))
        #expect(late.export.status == .failed)
        #expect(late.export.error?.upstream == Self.words)
        #expect(late.export.error?.detail.contains("Refused: no role. None was brought in time.") == true)
    }

    /// Only the caller's sign-in can answer it, so it stands where the caller looks.
    @Test func aChallengeStandsInTheNotice() {
        let challenge = ClaimsChallenge(claims: "{}", authorizationURI: "https://login.example/a")
        let error = ProviderError(
            .unauthenticated,
            "More.",
            problem: .upstreamClaimsRequired,
            upstream: Self.words,
            challenge: challenge
        )
        for event in [ExportLife.Event.observationFailed(error), .submissionFailed(error)] {
            var life = Life.tracked { $0.delegatedOnly = true }
            if case .submissionFailed = event { life = Life.submitting { $0.delegatedOnly = true } }
            life.take(event)
            #expect(life.step == .awaitAuthorization)
            #expect(life.export.notice?.upstream == Self.words)
            #expect(life.export.notice?.code == .upstreamClaimsRequired)
            #expect(life.export.notice?.detail == "More. In base 64 they are: e30=")
        }
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
        #expect(unconfirmed.export.completedAt == nil)
        unconfirmed.take(.authorizationMissing, after: .seconds(23 * 3600))
        #expect(unconfirmed.export.completedAt == unconfirmed.now)
        // A token that comes later still lets it be looked for.
        #expect(unconfirmed.step == .awaitAuthorization)
        var found = unconfirmed
        found.take(.authorizationArrived, .reconciled(Life.submission), after: .seconds(3600))
        #expect(found.step == .observe)
        #expect(found.export.completedAt == nil)
        unconfirmed.take(.authorizationMissing, after: .seconds(7 * 86_400))
        #expect(unconfirmed.record.phase == .settled)
        #expect(unconfirmed.export.status == .unknown)
        #expect(unconfirmed.export.error?.code == .submissionUnconfirmed)
    }
}
