import GatewayAPI
import Testing
import TestSupport

@testable import GatewayServer

/// Who waits for which reload.
@Suite(.timeLimit(.minutes(1))) struct ReloadRequestsTests {
    private static let applied = ReloadOutcome.applied(changed: ["log.level"])

    @Test func thoseThatAskBeforeAReloadBeginsShareIt() async throws {
        let requests = ReloadRequests(isOpen: true)
        async let first = requests.ask()
        async let second = requests.ask()
        var waiting: ReloadRequests.Waiting = []
        while waiting.count < 2 { waiting += await requests.next() ?? [] }
        for continuation in waiting { continuation.resume(returning: Self.applied) }
        #expect(await first == Self.applied)
        #expect(await second == Self.applied)
    }

    @Test func severalSignalsAreOneReload() async {
        let requests = ReloadRequests(isOpen: true)
        for _ in 0..<3 { requests.request() }
        #expect(await requests.next()?.isEmpty == true)
        let next = Task { await requests.next() }
        next.cancel()
        #expect(await next.value == nil)
    }

    @Test func whoComesTooLateIsTold() async throws {
        let requests = ReloadRequests(isOpen: true)
        let early = Task { await requests.ask() }
        let waiting = try #require(await requests.next())
        #expect(waiting.count == 1)
        let late = Task { await requests.ask() }
        // It is taken, or refused: told in any case.
        requests.close()
        for continuation in waiting { continuation.resume(returning: Self.applied) }
        #expect(await early.value == Self.applied)
        #expect(await late.value == .notNow)
        #expect(await requests.ask() == .notNow)
        #expect(await ReloadRequests(isOpen: false).ask() == .notNow)
    }
}
