import Audit
import GatewayAPI
import Testing
import TestSupport

@testable import GatewayServer

/// Who waits for which reload.
@Suite(.timeLimit(.minutes(1))) struct ReloadRequestsTests {
    private static let origin = AuditOrigin(caller: nil, address: "192.0.2.1")
    private static let applied = ReloadOutcome.applied(changed: ["log.level"])

    @Test func thoseThatAskBeforeAReloadBeginsShareIt() async throws {
        let requests = ReloadRequests(isOpen: true)
        async let first = requests.ask(by: Self.origin)
        async let second = requests.ask(by: Self.origin)
        var waiting: [CheckedContinuation<ReloadOutcome, Never>] = []
        while waiting.count < 2 { waiting += await requests.next()?.waiting ?? [] }
        for continuation in waiting { continuation.resume(returning: Self.applied) }
        #expect(await first == Self.applied)
        #expect(await second == Self.applied)
    }

    @Test func severalSignalsAreOneReload() async {
        let requests = ReloadRequests(isOpen: true)
        for _ in 0..<3 { requests.request() }
        let due = await requests.next()
        #expect(due?.waiting.isEmpty == true && due?.origin == nil)
        let next = Task { await requests.next() }
        next.cancel()
        #expect(await next.value == nil)
    }

    @Test func whoComesTooLateIsTold() async throws {
        let requests = ReloadRequests(isOpen: true)
        let early = Task { await requests.ask(by: Self.origin) }
        // Whom the audit trail names is who has asked by a request, also where a signal came before.
        requests.request()
        let due = try await { () async throws in
            let signalled = try #require(await requests.next())
            return signalled.waiting.isEmpty ? try #require(await requests.next()) : signalled
        }()
        let waiting = due.waiting
        #expect(waiting.count == 1 && due.origin == Self.origin)
        let late = Task { await requests.ask(by: Self.origin) }
        // It is taken, or refused: told in any case.
        requests.close()
        for continuation in waiting { continuation.resume(returning: Self.applied) }
        #expect(await early.value == Self.applied)
        #expect(await late.value == .notNow)
        #expect(await requests.ask(by: Self.origin) == .notNow)
        #expect(await ReloadRequests(isOpen: false).ask(by: Self.origin) == .notNow)
    }
}
