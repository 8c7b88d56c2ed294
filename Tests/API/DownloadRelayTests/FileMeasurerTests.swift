import Exports
import JSON
import Logging
import ManualClock
import Synchronization
import Testing
import TestSupport

@testable import DownloadRelay

/// What is measured when, by a clock that the test moves.
@Suite(.timeLimit(.minutes(5))) struct FileMeasurerTests {
    private let scene = Scene()

    private func run(
        _ service: FakeMeasurementService,
        _ settings: MeasurementSettings = MeasurementSettings(rate: 0),
        until condition: @escaping @Sendable () -> Bool
    ) async {
        let measurer = FileMeasurer(
            service: service,
            relay: scene.relay,
            settings: settings,
            time: scene.time,
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        )
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await measurer.run() }
            await service.changes.wait { _ in condition() }
            group.cancelAll()
        }
    }

    private func export(_ files: [ExportFile], _ number: Int = 0) -> Export {
        var random = SeededRandom(seed: UInt64(number) + 11)
        var export = Export(
            id: ExportID(at: scene.time.now(), random: &random),
            provider: ProviderID("power-bi"),
            connection: "reports",
            name: "Sales",
            createdAt: scene.time.now(),
            createdBy: "test",
            source: .object([:])
        )
        export.status = .succeeded
        export.files = files
        return export
    }

    @Test func filesOfUnknownLengthAreReadOnce() async {
        let known = ExportFile(id: "1", name: "a.csv", size: 3)
        let export = export([known, ExportFile(id: "2", name: "b.csv"), ExportFile(id: "3", name: "c.csv")])
        let service = FakeMeasurementService([export])
        await run(service) { service.ended.count == 1 }
        #expect(service.opened == ["2", "3"])
        #expect(service.ended.map { $0.next } == [nil])
        #expect(service.rows.filter { $0.outcome == .whole }.map(\.fileID) == ["2", "3"])

        let all = FakeMeasurementService([export])
        await run(all, MeasurementSettings(files: .unknownLengthOrDigest, rate: 0)) { all.ended.count == 1 }
        #expect(all.opened == ["1", "2", "3"])
    }

    @Test func noMoreAtATimeThanAreAllowed() async {
        let exports = (0..<5).map { export([csv], $0) }
        let service = FakeMeasurementService(exports, bytes: [.silence])
        await run(service, MeasurementSettings(atOnce: 2, rate: 0)) { service.opened.count == 2 }
        // What was given up is given back, and is no attempt.
        #expect(service.ended.map { $0.next } == [pause(0, counts: false), pause(0, counts: false)])
        #expect(service.opened.count == 2)
        let hurried = FakeMeasurementService(exports)
        await run(hurried, MeasurementSettings(atOnce: 2, rate: 0)) { hurried.ended.count == 5 }
        #expect(hurried.ended.allSatisfy { $0.next == nil })
    }

    @Test func aBrokenOneComesAgainAFewTimes() async {
        let settings = MeasurementSettings(rate: 0)
        var waits: [Duration?] = []
        for attempt in 1...6 {
            let service = FakeMeasurementService([export([csv])], attempts: attempt, bytes: [.failure(Gone())])
            await run(service, settings) { service.ended.count == 1 }
            #expect(service.opened.isEmpty == (attempt > settings.attempts))
            waits.append(service.ended.first?.next?.wait)
            #expect(service.ended.first?.next?.counts ?? true)
        }
        #expect(waits == [.seconds(60), .seconds(120), .seconds(240), .seconds(480), nil, nil])
    }

    @Test func whatIsSaidOfTheNextAttempt() {
        let settings = MeasurementSettings()
        func next(_ outcomes: [MeasurementOutcome], _ attempts: Int = 1) -> MeasurementClaim.Next? {
            settings.next(after: outcomes, attempts: attempts)
        }
        #expect(next([]) == nil)
        #expect(next([.whole, .tooLarge, .unreadable]) == nil)
        #expect(next([.whole, .broken, .whole]) == pause(60, counts: true))
        #expect(next([.broken, .preempted], 5) == pause(30, counts: false))
        #expect(next([.whole, .queued], 5) == pause(60, counts: false))
        #expect(next([.broken, .cancelled], 5) == pause(0, counts: false))
        #expect(next([.broken], 5) == nil)
        var patient = settings
        patient.attempts = 100
        #expect(patient.next(after: [.broken], attempts: 99) == pause(3600, counts: true))
    }

    @Test("fault C4: what the request budget sends back comes again when its place does")
    func aQueuedOneComesWhenItsPlaceDoes() async {
        for (asked, expected) in [(7, 7), (90, 90), (0, 1), (86_400, 600)] {
            let service = FakeMeasurementService([export([csv])], queuedFor: .seconds(asked))
            await run(service, MeasurementSettings(rate: 0)) { service.ended.count == 1 }
            #expect(service.ended.map { $0.next } == [pause(expected, counts: false)])
        }
    }

    private func pause(_ seconds: Int, counts: Bool) -> MeasurementClaim.Next {
        MeasurementClaim.Next(after: .seconds(seconds), counts: counts)
    }

    private struct Gone: Error {}
}

/// An engine that has these claims, once.
private final class FakeMeasurementService: MeasurementService {
    struct State {
        var claims: [MeasurementClaim]
        var opened: [String] = []
        var ended: [(claim: MeasurementClaim, next: MeasurementClaim.Next?)] = []
        var rows: [Delivery] = []
    }

    private let bytes: [Step]
    /// The budget has no place for so long.
    private let queuedFor: Duration?
    private let state: Mutex<State>
    /// Happens after each change of what it shows.
    let changes = Events<Void>()

    init(
        _ exports: [Export],
        attempts: Int = 1,
        bytes: [Step] = [.bytes(Array("a,b\n".utf8))],
        queuedFor: Duration? = nil
    ) {
        self.bytes = bytes
        self.queuedFor = queuedFor
        state = Mutex(State(claims: exports.map { MeasurementClaim(export: $0, attempts: attempts) }))
    }

    var opened: [String] { state.withLock(\.opened) }
    var ended: [(claim: MeasurementClaim, next: MeasurementClaim.Next?)] { state.withLock(\.ended) }
    var rows: [Delivery] { state.withLock(\.rows) }

    func claimMeasurement(besides running: Set<ExportID>, lease: Duration) async -> MeasurementClaim? {
        state.withLock { $0.claims.isEmpty ? nil : $0.claims.removeFirst() }
    }

    func endMeasurement(_ claim: MeasurementClaim, next: MeasurementClaim.Next?) async {
        state.withLock { $0.ended.append((claim, next)) }
        changes.add(())
    }

    func openForMeasurement(
        _ fileID: String,
        of id: ExportID,
        range: FileRange?
    ) async throws(GatewayError) -> FileBody {
        state.withLock { $0.opened.append(fileID) }
        changes.add(())
        if let queuedFor { throw GatewayError(.queued, "No place.", retryAfter: queuedFor) }
        return FileBody(head: FileBody.Head(), bytes: ScriptedBytes(bytes))
    }

    func record(_ delivery: Delivery) async {
        state.withLock { $0.rows.append(delivery) }
        changes.add(())
    }

    func waitForMeasurement(besides running: Set<ExportID>) async {
        try? await ManualTime().sleep(for: .seconds(1))
    }
}
