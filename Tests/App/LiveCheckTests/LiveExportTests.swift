import Exports
import JSON
import ManualClock
import Testing

@testable import LiveCheck

@Suite struct LiveExportTests {
    private static func export(
        _ script: ScriptedProvider.Script,
        bytes: Int64 = 1 << 20,
        time: ManualTime = ManualTime(pauses: .moveTheClock, deadlines: .neverEnd)
    ) throws -> LiveExport {
        let provider = ScriptedProvider(script)
        return LiveExport(
            provider: provider,
            export: try provider.validate(.object([:])),
            marker: SubmissionMarker(
                exportID: Randomness { 7 }.newID(at: time.now()),
                exportName: "scripted",
                notBefore: time.now()
            ),
            context: CallContext(requestID: "check"),
            limits: .init(time: .seconds(60), bytes: bytes, pollInterval: .seconds(5)),
            time: time
        ) { _ in }
    }

    @Test func anExportIsWatchedAndRead() async throws {
        let time = ManualTime(pauses: .moveTheClock, deadlines: .neverEnd)
        var later = Observation.running
        later.pollAfter = .seconds(9)
        let script = ScriptedProvider.Script(observations: [.success(.running), .success(later), .success(.done)])
        let outcome = try await Self.export(script, time: time).run()
        #expect(outcome.end == .read)
        #expect(outcome.polls == 3)
        #expect(time.skipped == [.seconds(5), .seconds(9)])
        #expect(outcome.bytesRead == 10 && outcome.readToEnd)
        #expect(outcome.part == .sameBytes)
        #expect(!outcome.mayRun)
    }

    @Test func noMoreIsReadThanTheLimit() async throws {
        let outcome = try await Self.export(.init(), bytes: 5).run()
        #expect(outcome.bytesRead == 8)
        #expect(!outcome.readToEnd)
    }

    @Test func aFileWithoutParts() async throws {
        #expect(try await Self.export(.init(servesParts: false)).run().part == .whole)
    }

    @Test func aPartWithOtherBytes() async throws {
        #expect(try await Self.export(.init(part: Array("abcdefghi".utf8))).run().part == .otherBytes)
    }

    @Test func ofAFileWithoutASecondByteNoPartIsAskedFor() async throws {
        let outcome = try await Self.export(.init(file: [65])).run()
        #expect(outcome.end == .read)
        #expect(outcome.part == .notAsked)
    }

    @Test func anExportThatFailedIsNotRead() async throws {
        let failed = Observation(.failed, upstreamStatus: "failed")
        let outcome = try await Self.export(.init(observations: [.success(failed)])).run()
        #expect(outcome.end == .ended(.failed))
        #expect(!outcome.mayRun)
    }

    @Test func filesThatAreNotListedYetAreWaitedFor() async throws {
        var pending = Observation(.succeeded, upstreamStatus: "done")
        pending.filesPending = true
        let outcome = try await Self.export(.init(observations: [.success(pending), .success(.done)])).run()
        #expect(outcome.end == .read)
        #expect(outcome.polls == 2)
    }

    @Test func aStartThatHasToWaitIsTriedThreeTimes() async throws {
        let busy = ProviderError(.throttled, "Wait.", retryAfter: .seconds(20))
        let time = ManualTime(pauses: .moveTheClock, deadlines: .neverEnd)
        let outcome = try await Self.export(.init(starts: [.failure(busy)]), time: time).run()
        #expect(outcome.end == .failed(.start, .throttled))
        #expect(time.skipped == [.seconds(20), .seconds(20)])
        #expect(!outcome.mayRun)
    }

    @Test(arguments: [(ProviderError.Code.forbidden, false), (.conflict, false), (.ambiguous, true), (.accepted, true)])
    func noOtherStartIsTriedAgain(code: ProviderError.Code, mayRun: Bool) async throws {
        let refused = Result<UpstreamReference, ProviderError>.failure(ProviderError(code, "No."))
        let script = ScriptedProvider.Script(starts: [refused, .success(UpstreamReference(id: "second"))])
        let outcome = try await Self.export(script).run()
        #expect(outcome.end == .failed(.start, code))
        #expect(outcome.mayRun == mayRun)
        #expect(outcome.reference == nil)
    }

    @Test func pollsThatFailAreTriedAgainInBounds() async throws {
        let failure = Result<Observation, ProviderError>.failure(ProviderError(.transient, "Broken."))
        let once = try await Self.export(.init(observations: [failure, .success(.done)])).run()
        #expect(once.end == .read)
        let always = try await Self.export(.init(observations: [failure])).run()
        #expect(always.end == .failed(.watch, .transient))
        #expect(always.polls == 10)
        #expect(always.mayRun)
    }

    @Test func whenTheTimeIsOverTheJobIsLeftRunning() async throws {
        let time = ManualTime()
        let export = try Self.export(.init(observations: [.success(.running)]), time: time)
        async let ended = export.run()
        await time.pauses(atLeast: 1)
        await time.deadlines(atLeast: 1)
        // Both are due: whichever is woken first, the next pause does not end.
        time.advance(by: .seconds(60))
        let outcome = await ended
        #expect(outcome.end == .timedOut(.watch))
        #expect(outcome.mayRun)
        #expect(outcome.reference?.id == "job")
    }

    @Test func whoeverStopsItHasTheOutcomeUntilThen() async throws {
        let time = ManualTime(pauses: .neverEnd, deadlines: .neverEnd)
        let export = try Self.export(.init(observations: [.success(.running)]), time: time)
        let outcome = await withTaskGroup(of: LiveOutcome.self) { group in
            group.addTask { await export.run() }
            await time.pauses(atLeast: 1)
            group.cancelAll()
            return await group.next()
        }
        #expect(outcome?.end == .stopped(.watch))
        #expect(outcome?.mayRun == true)
    }
}
