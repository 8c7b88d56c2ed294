import Exports
import Logging
import ManualClock
import Memory
import MetricsTestKit
import NIOCore
import Synchronization
import SystemCrypto
import Testing
import TestSupport
import ZlibReference

@testable import DownloadRelay

/// The reading of one file that nobody gets.
@Suite(.timeLimit(.minutes(5))) struct MeasurementTests {
    private static let bytes = rows(100_000)
    private static let digest = Hexadecimal.encode(SHA256.hash(bytes))
    private let scene = Scene()

    private func measure(
        _ file: ExportFile = csv,
        largest: Int64 = .max,
        rate: Int = 0,
        head: FileBody.Head = FileBody.Head(),
        from script: ScriptedBytes = ScriptedBytes(bytes, piece: 9999)
    ) async -> MeasurementOutcome {
        await measure(file, largest: largest, rate: rate) { _ in FileBody(head: head, bytes: script) }
    }

    private func measure(
        _ file: ExportFile = csv,
        largest: Int64 = .max,
        rate: Int = 0,
        open: @escaping @Sendable (FileRange?) async throws(GatewayError) -> FileBody
    ) async -> MeasurementOutcome {
        let ledger = scene.ledger
        return await scene.relay.measure(
            file,
            of: scene.export,
            largest: largest,
            pace: ReadingPace(rate: rate, time: scene.time),
            record: { await ledger.record($0) },
            open: open
        )
    }

    private func measurements(_ outcome: MeasurementOutcome) -> Int64 {
        scene.count("measurements", "outcome", outcome.rawValue)
    }

    @Test func aWholeReadingIsADeliveryOfItsOwnKind() async throws {
        let script = ScriptedBytes(Self.bytes, piece: 9999)
        #expect(await measure(from: script) == .whole)
        let row = try #require(await scene.ledger.all.first)
        #expect(row.kind == .measurement && row.caller == "export-gateway")
        #expect(row.outcome == .whole && row.reason == nil)
        #expect(row.fileID == "1" && row.coding == "identity" && row.bytesSent == 0)
        #expect(row.fileBytes == 100_000 && row.sha256 == Self.digest)
        #expect((1...64).contains(row.requestID.utf8.count))
        #expect(await scene.ledger.all.count == 1)
        #expect(await scene.ledger.begun.isEmpty)
        #expect(script.notes.isLetGo)
        #expect(measurements(.whole) == 1)
        #expect(scene.metrics.counterTotal(label: "export_gateway_measurement_bytes_total", dimensions: []) == 100_000)
        // No caller's download.
        #expect(scene.downloads("whole") == 0 && scene.downloadBytes("identity") == 0)
        #expect(scene.relay.budget.downloadsUnderWay == 0)
    }

    /// The same is demanded of it as of a download.
    @Test func whatIsNotTheFileIsBroken() async throws {
        let page = FileBody.Head(contentType: "text/html")
        let refused = [await measure(ExportFile(id: "1", name: "a.zip")), await measure(head: page)]
        #expect(refused == [.broken, .broken])
        #expect(await scene.ledger.all.isEmpty)

        // A claimed length is replaced by what the upstream announces now, as in a download.
        var sized = ExportFile(id: "1", name: "a.csv", size: 7)
        #expect(await measure(sized, head: FileBody.Head(contentLength: 100_000)) == .whole)
        #expect(await scene.ledger.all.map(\.fileBytes) == [100_000])

        // What contradicts a confirmed one is evidence, and as such a row.
        sized.sizeState = .confirmed
        #expect(await measure(sized, head: FileBody.Head(contentLength: 100_000)) == .broken)
        let row = try #require(await scene.ledger.all.last)
        #expect(row.kind == .measurement && row.outcome == .broken && row.reason == "size-mismatch")

        let short = await measure(head: FileBody.Head(contentLength: 100_001))
        let other = await measure(ExportFile(id: "1", name: "a.csv", sha256: String(repeating: "0", count: 64)))
        #expect(short == .broken && other == .broken)
        let rows = await scene.ledger.all.suffix(2)
        #expect(rows.map(\.outcome) == [.broken, .broken])
        #expect(rows.map(\.reason) == ["ended-early", "digest-mismatch"])
        #expect(rows.allSatisfy { $0.sha256 == nil })
        #expect(measurements(.broken) == 5)
        #expect(scene.downloads("broken") == 0)
    }

    @Test func whatCannotBeOpenedIsNoDelivery() async throws {
        let codes: [(ProblemCode, MeasurementOutcome)] = [
            (.upstreamUnavailable, .broken), (.upstreamForbidden, .broken), (.expired, .unreadable),
            (.noResult, .unreadable), (.queued, .queued), (.upstreamThrottled, .broken),
        ]
        for (code, expected) in codes {
            #expect(await measure { _ throws(GatewayError) in throw GatewayError(code, "No.") } == expected)
        }
        #expect(await scene.ledger.all.isEmpty)
    }

    @Test func aFileThatIsTooLongIsLeft() async throws {
        let known = await measure(ExportFile(id: "1", name: "a.csv", size: 100_000), largest: 99_999) {
            _ throws(GatewayError) in
            throw GatewayError(.internalError, "The upstream was called.")
        }
        let announced = await measure(largest: 99_999, head: FileBody.Head(contentLength: 100_000))
        #expect(known == .tooLarge && announced == .tooLarge)
        #expect(await scene.ledger.all.isEmpty)
        let script = ScriptedBytes(Self.bytes, piece: 1000)
        #expect(await measure(largest: 50_000, from: script) == .tooLarge)
        let row = try #require(await scene.ledger.all.first)
        #expect(row.outcome == .abandoned && row.reason == "too-large" && row.sha256 == nil)
        #expect(script.notes.isLetGo && script.notes.pulled < 60)
        #expect(await measure(largest: 100_000) == .whole)
    }

    @Test func aCallersDownloadComesFirst() async throws {
        // While one is under way, no measurement of the same export begins.
        let download = try await scene.get(csv, bytes: ScriptedBytes(Self.bytes, piece: 9999))
        let refused = await measure { _ throws(GatewayError) in throw GatewayError(.internalError, "It was opened.") }
        #expect(refused == .preempted)
        _ = await download.body?.collected()
        #expect(await measure() == .whole)

        // One that begins in the middle of a measurement ends that.
        let (time, relay, export) = (scene.time, scene.relay, scene.export)
        let begun = scene.ledger.beginnings.all.count
        async let outcome = measure(rate: 1000, from: ScriptedBytes(Self.bytes, piece: 9999))
        await scene.ledger.beginnings.reach(begun + 1)
        await time.pauses(atLeast: 1)
        let second = try await scene.get(csv, bytes: ScriptedBytes(Self.bytes, piece: 9999))
        #expect(relay.budget.isServing(export.id))
        time.advance(by: .seconds(60))
        #expect(await outcome == .preempted)
        _ = await second.body?.collected()
        let row = try #require(await scene.ledger.all.first { $0.reason != nil })
        #expect(row.kind == .measurement && row.outcome == .abandoned && row.reason == "preempted")
        #expect(!relay.budget.isServing(export.id))
    }

    @Test func aCancelledOneIsStored() async throws {
        let scene = scene
        let task = Task { await measure(from: ScriptedBytes([.bytes(rows(5000)), .silence])) }
        // The first-byte timeout, and then the silence.
        await scene.ledger.beginnings.reach(1)
        task.cancel()
        #expect(await task.value == .cancelled)
        let row = try #require(await scene.ledger.all.first)
        #expect(row.outcome == .abandoned && row.reason == "cancelled")
    }

    @Test func itsPaceIsBounded() async throws {
        let time = scene.time
        async let outcome = measure(rate: 10_000)
        // 100 000 bytes at 10 000 in a second.
        let advancing = Task {
            while !Task.isCancelled {
                await time.pauses(atLeast: 1)
                time.advance(by: .milliseconds(100))
            }
        }
        #expect(await outcome == .whole)
        let waited = time.elapsed()
        advancing.cancel()
        #expect(waited >= .seconds(9) && waited <= .seconds(11))
    }

    @Test func theRateIsSharedWithDownloads() {
        let start = Timestamp(milliseconds: 0)
        var debt = ReadingDebt(rate: 1000, at: start)
        #expect(debt.add(1000, share: 1, at: start) == .seconds(1))
        #expect(debt.add(1000, share: 3, at: start + .seconds(1)) == .seconds(3))
        // What is too little for a sleep adds up.
        #expect(debt.add(20, share: 1, at: start + .seconds(60)) == .zero)
        #expect(debt.add(40, share: 1, at: start + .seconds(60)) == .milliseconds(60))
        // A clock that is set back neither lengthens nor shortens anything.
        #expect(debt.add(1000, share: 1, at: start) == .milliseconds(1060))
        var free = ReadingDebt(rate: 0, at: start)
        #expect(free.add(.max, share: 9, at: start) == .zero)
    }

    @Test func halfTheMemoryIsLeftToCallers() throws {
        var random = SeededRandom(seed: 1)
        let id = ExportID(at: Timestamp(milliseconds: 0), random: &random)
        let other = ExportID(at: Timestamp(milliseconds: 1), random: &random)
        let memory = MemoryBudget(total: 3200, metrics: TestMetrics())
        let budget = DownloadBudget(perCaller: 1, memory: memory, metrics: TestMetrics())
        let most = memory.maximum(of: .download)
        var spare = budget.reserveSpare(most / 2 - 100, besides: id)
        #expect(spare != nil)
        #expect(budget.reserveSpare(101, besides: id) == nil)
        #expect(budget.downloadsUnderWay == 0)
        // Callers get the rest, and each as many as ever.
        let first = try budget.reserve(most / 2 + 100, for: "a", of: other)
        spare = nil
        #expect(budget.reserveSpare(1, besides: id) == nil)
        first.release()
        let second = try budget.reserve(100, for: "a", of: id)
        #expect(budget.isServing(id) && !budget.isServing(other))
        #expect(budget.reserveSpare(1, besides: id) == nil)
        #expect(budget.reserveSpare(1, besides: other) != nil)
        second.release()
    }
}
