import TestSupport
@testable import ExportEngine
import Exports
import JSON
import Testing

@Suite struct DelegatedAuthorizationTests {
    private typealias Purpose = DelegatedAuthorization.Purpose
    private typealias Answer = DelegatedAuthorization.Answer

    private let tokens = CallerTokens()
    private let export: Export

    init() {
        var random = SeededRandom(seed: 1)
        let now = Timestamp(milliseconds: 1)
        export = Export(
            id: ExportID(at: now, random: &random),
            provider: ProviderID("scripted"),
            connection: "main",
            name: "n",
            createdAt: now,
            createdBy: "alice",
            source: [:]
        )
    }

    private func answer(_ purpose: Purpose, isNeeded: Bool = true, keepsRefreshTokens: Bool = false) -> Answer {
        DelegatedAuthorization(isNeeded: isNeeded, keepsRefreshTokens: keepsRefreshTokens, callerTokens: tokens)
            .answer(purpose, on: export)
    }

    private static func all(_ viewer: Viewer) -> [Purpose] {
        [
            .start(viewer), .download(viewer), .lookup(viewer), .poll(viewer), .cancel(viewer, hasRefreshToken: false),
            .background(hasRefreshToken: false),
        ]
    }

    @Test func aConnectionWithItsOwnCredentialNeedsNobody() {
        for viewer in [Viewer.owner(), .auditor(), .gateway] {
            for purpose in Self.all(viewer) { #expect(answer(purpose, isNeeded: false) == .granted(nil), "\(purpose)") }
        }
    }

    @Test func withoutATokenNothingIsDone() {
        for purpose in Self.all(.owner()) {
            // A poll finds out by itself, unless a refresh token would be used for it.
            if case .poll = purpose {
                #expect(answer(purpose) == .granted(nil))
                #expect(answer(purpose, keepsRefreshTokens: true) == .tokenMissing)
            } else {
                #expect(answer(purpose) == .tokenMissing, "\(purpose)")
            }
        }
    }

    @Test func theOwnersTokenIsTheOneOfTheRequestAndThenTheKeptOne() {
        _ = tokens.keep(Secret("kept"), for: export.id, at: Timestamp(milliseconds: 1))
        for purpose in [Purpose.download(.owner("own")), .lookup(.owner("own")), .start(.owner("own"))] {
            #expect(answer(purpose) == .granted(Secret("own")), "\(purpose)")
        }
        for purpose in Self.all(.owner()).dropFirst() { #expect(answer(purpose) == .granted(Secret("kept"))) }
    }

    @Test func nobodyActsWithTheOwnersToken() {
        _ = tokens.keep(Secret("kept"), for: export.id, at: Timestamp(milliseconds: 1))
        for viewer in [Viewer.auditor(), .auditor("auditor's"), .gateway] {
            let refused: [Purpose] = [.lookup(viewer), .poll(viewer), .cancel(viewer, hasRefreshToken: true)]
            for purpose in refused { #expect(answer(purpose) == .ownersToken, "\(purpose)") }
        }
        #expect(answer(.download(.auditor())) == .tokenMissing)
        #expect(answer(.download(.auditor("auditor's"))) == .granted(Secret("auditor's")))
    }

    @Test func theBackgroundGoesOnWithARefreshToken() {
        #expect(answer(.background(hasRefreshToken: true)) == .granted(nil))
        #expect(answer(.cancel(.owner(), hasRefreshToken: true)) == .granted(nil))
    }
}
