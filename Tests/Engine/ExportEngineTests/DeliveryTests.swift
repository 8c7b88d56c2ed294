import TestLedger
@testable import ExportEngine
import ExportLedger
import Exports
import InMemoryLogging
import Logging
import ManualClock
import Synchronization
import Testing

@Suite(.timeLimit(.minutes(5))) struct DeliveryTests {
    private static let digest = String(repeating: "ab", count: 32)
    private static let other = String(repeating: "cd", count: 32)

    /// An export that has succeeded with these files.
    private func finished(_ bench: Bench, _ files: [ExportFile]) async throws -> ExportID {
        bench.provider.set {
            $0.onObserve = { _ in
                var observation = Observation(.succeeded, upstreamStatus: "Succeeded")
                observation.files = files
                return .success(observation)
            }
        }
        return try await bench.running {
            let id = try await bench.create()
            _ = try await bench.drive(id)
            return id
        }
    }

    private func delivery(
        _ bench: Bench,
        of id: ExportID,
        file: String? = "1",
        outcome: Delivery.Outcome = .whole
    ) -> Delivery {
        let now = bench.time.now()
        var delivery = Delivery(
            id: bench.engine.random.newID(at: now),
            exportID: id,
            fileID: file,
            caller: "alice",
            requestID: "r-1",
            startedAt: now,
            endedAt: now,
            coding: "identity",
            outcome: outcome
        )
        delivery.fileBytes = 1234
        delivery.sha256 = outcome == .whole ? Self.digest : nil
        return delivery
    }

    @Test func theFirstWholeDeliveryTellsWhatTheUpstreamDidNot() async throws {
        let bench = try Bench()
        let id = try await finished(bench, [ExportFile(id: "1", name: "a"), ExportFile(id: "2", name: "b")])
        let before = try await bench.record(id).export
        bench.time.advance(by: .seconds(5))
        let first = delivery(bench, of: id)
        await bench.engine.record(first)

        let after = try await bench.engine.export(id, for: .owner(), refresh: false)
        #expect(after.files.map(\.size) == [1234, nil])
        #expect(after.files.map(\.sha256) == [Self.digest, nil])
        #expect(after.files.map(\.digestSource) == [.gateway, nil])
        #expect(after.files.map(\.digestState) == [.claimed, nil])
        #expect(after.files.map(\.sizeState) == [.claimed, nil])
        #expect(after.revision == before.revision + 1)
        #expect(after.updatedAt == before.updatedAt + .seconds(5))

        // Whoever waits for a change has been told.
        let seen = try await bench.engine.export(id, for: .owner(), changedFrom: before.revision, within: .seconds(9))
        #expect(seen == after)

        // A second one that agrees confirms it; one that differs then changes nothing.
        bench.time.advance(by: .seconds(5))
        let second = delivery(bench, of: id)
        await bench.engine.record(second)
        let confirmed = try await bench.record(id).export
        #expect(confirmed.files.map(\.digestState) == [.confirmed, nil])
        #expect(confirmed.files.map(\.sizeState) == [.confirmed, nil])
        #expect(confirmed.revision == after.revision + 1)
        #expect(confirmed.notice == nil)
        #expect(try await bench.deliveries(of: id) == [first, second])
        #expect(try await bench.deliveries(of: id, after: first.id) == [second])
    }

    @Test func whatOneDeliveryClaimedFallsWithAnother() async throws {
        let bench = try Bench()
        let id = try await finished(bench, [ExportFile(id: "1", name: "a")])
        await bench.engine.record(delivery(bench, of: id))
        var broken = delivery(bench, of: id, outcome: .broken)
        let file = try #require(try await bench.record(id).export.files.first)
        broken.readings = [FileReading(of: file, size: 9, sha256: Self.other, isDelivered: false)]
        await bench.engine.record(broken)
        let dropped = try await bench.record(id)
        #expect(dropped.export.files.first == ExportFile(id: "1", name: "a"))
        #expect(dropped.export.notice?.code == .fileChanged)
        #expect(dropped.readings.count == 2)
        // The next one is of the same bytes as the broken one: two that agree.
        var next = delivery(bench, of: id)
        next.sha256 = Self.other
        next.fileBytes = 9
        await bench.engine.record(next)
        let after = try await bench.record(id)
        #expect(after.export.files.first?.sha256 == Self.other)
        #expect(after.export.files.first?.digestState == .confirmed)
        #expect(after.readings.isEmpty)
    }

    /// The CRC-32 stands with the digest of the same bytes, and falls with it.
    @Test func theChecksumIsThatOfTheDigestsBytes() async throws {
        let bench = try Bench()
        let id = try await finished(bench, [ExportFile(id: "1", name: "a")])
        func read(_ digest: String, _ checksum: UInt32) async throws -> ExportFile {
            var next = delivery(bench, of: id)
            next.sha256 = digest
            let file = try #require(try await bench.record(id).export.files.first)
            var reading = FileReading(of: file, size: next.fileBytes, sha256: digest, isDelivered: true)
            reading.crc32 = checksum
            next.readings = [reading]
            await bench.engine.record(next)
            return try #require(try await bench.record(id).export.files.first)
        }
        #expect(try await read(Self.digest, 7).crc32 == 7)
        let confirmed = try await read(Self.digest, 7)
        #expect(confirmed.digestState == .confirmed && confirmed.crc32 == 7)
        // One that differs ends nothing, two that agree replace both.
        #expect(try await read(Self.other, 9).crc32 == 7)
        let replaced = try await read(Self.other, 9)
        #expect(replaced.sha256 == Self.other && replaced.crc32 == 9)
    }

    @Test func whatTheUpstreamToldStays() async throws {
        let bench = try Bench()
        let known = ExportFile(id: "1", name: "a", size: 7, sha256: String(repeating: "ef", count: 32))
        let id = try await finished(bench, [known])
        let before = try await bench.record(id)
        #expect(before.export.files.first?.digestSource == .upstream)
        // One that differs is told, and changes nothing of it.
        await bench.engine.record(delivery(bench, of: id))
        #expect(try await bench.record(id).export.files == before.export.files)

        let sized = try Bench()
        let other = try await finished(sized, [ExportFile(id: "1", name: "a", size: 7)])
        var agreeing = delivery(sized, of: other)
        agreeing.fileBytes = 7
        await sized.engine.record(agreeing)
        let file = try #require(try await sized.record(other).export.files.first)
        #expect(file.size == 7)
        #expect(file.sha256 == Self.digest)
        #expect(file.digestSource == .gateway)
        #expect(file.sizeSource == .upstream)
        #expect(file.sizeState == .confirmed)
        #expect(file.digestState == .claimed)
    }

    @Test func partsAndArchivesAndBrokenOnesTellNothing() async throws {
        let bench = try Bench()
        let id = try await finished(bench, [ExportFile(id: "1", name: "a")])
        let before = try await bench.record(id)
        var part = delivery(bench, of: id)
        part.rangeFirst = 0
        var digestless = delivery(bench, of: id)
        digestless.sha256 = nil
        let all = [
            part, digestless, delivery(bench, of: id, file: nil), delivery(bench, of: id, file: "9"),
            delivery(bench, of: id, outcome: .broken), delivery(bench, of: id, outcome: .abandoned),
        ]
        for delivery in all { await bench.engine.record(delivery) }
        #expect(try await bench.record(id) == before)
        #expect(try await Set(bench.deliveries(of: id)) == Set(all))
    }

    @Test func aDeliveryIsARowFromItsBeginningOn() async throws {
        let bench = try Bench()
        let id = try await finished(bench, [ExportFile(id: "1", name: "a")])
        let before = try await bench.record(id)
        let whole = delivery(bench, of: id)
        var begun = delivery(bench, of: id, outcome: .underWay)
        begun.id = whole.id
        begun.endedAt = nil
        begun.fileBytes = 0
        await bench.engine.record(begun)
        #expect(try await bench.deliveries(of: id) == [begun])
        // It is no word on the export.
        #expect(try await bench.record(id) == before)

        await bench.engine.record(whole)
        #expect(try await bench.deliveries(of: id) == [whole])
        #expect(try await bench.record(id).export.files.first?.sha256 == Self.digest)
        let mine = try await bench.engine.deliveries(of: id, for: .auditor(), requestID: "r-1", after: nil, limit: 9)
        #expect(mine.deliveries == [whole])
        #expect(try await bench.deliveries(of: id, requestID: "r-2").isEmpty)
    }

    @Test func oneThatNeverEndedIsBrokenAfterARestart() async throws {
        let bench = try Bench()
        let id = try await finished(bench, [ExportFile(id: "1", name: "a")])
        var begun = delivery(bench, of: id, outcome: .underWay)
        begun.endedAt = nil
        await bench.engine.record(begun)
        bench.time.advance(by: .seconds(60))
        let next = try bench.restarted()
        await next.engine.breakDeliveriesUnderWay()
        begun.outcome = .broken
        begun.reason = "gateway-stopped"
        begun.endedAt = bench.time.now()
        #expect(try await next.deliveries(of: id) == [begun])
        // A ledger that cannot be written does not stop the start.
        let dead = try bench.restarted(on: DyingLedger(try SQLiteLedger.temporary(), after: 0, keepsLast: false))
        await dead.engine.breakDeliveriesUnderWay()
    }

    /// The ledger took the beginning and not the end: the row stays, and the log has the rest.
    @Test func anEndThatCannotBeWrittenLeavesTheBeginning() async throws {
        let logs = InMemoryLogHandler()
        let bench = try Bench(logger: Logger(label: "test") { _ in logs })
        let id = try await finished(bench, [ExportFile(id: "1", name: "a")])
        let ledger = try #require(bench.ledger as? SQLiteLedger)
        let dying = try bench.restarted(on: DyingLedger(ledger, after: 1, keepsLast: false))
        let whole = delivery(bench, of: id)
        var begun = whole
        begun.outcome = .underWay
        begun.endedAt = nil
        begun.sha256 = nil
        await dying.engine.record(begun)
        await dying.engine.record(whole)
        #expect(try await bench.deliveries(of: id) == [begun])
        #expect(dying.counter("export_gateway_deliveries_unrecorded_total", [("outcome", "whole")]) == 1)
        #expect(logs.entries.contains { $0.level == .error && $0.metadata["sha256"] == "\(Self.digest)" })
    }

    /// The caller has left, so that the task that ends the download is cancelled.
    @Test func aCancelledTaskRecordsAllTheSame() async throws {
        let bench = try Bench()
        let id = try await finished(bench, [ExportFile(id: "1", name: "a")])
        let abandoned = delivery(bench, of: id, outcome: .abandoned)
        let (left, leave) = AsyncStream.makeStream(of: Void.self)
        let task = Task {
            for await _ in left {}
            #expect(Task.isCancelled)
            await bench.engine.record(abandoned)
        }
        task.cancel()
        leave.finish()
        await task.value
        #expect(try await bench.deliveries(of: id) == [abandoned])
    }

    @Test func whatCannotBeWrittenIsLoggedAndCounted() async throws {
        let logs = InMemoryLogHandler()
        let bench = try Bench(logger: Logger(label: "test") { _ in logs })
        let id = try await finished(bench, [ExportFile(id: "1", name: "a")])
        let dead = try bench.restarted(on: DyingLedger(try SQLiteLedger.temporary(), after: 0, keepsLast: false))
        var lost = delivery(bench, of: id)
        lost.rangeFirst = 3
        lost.reason = "some-reason"
        await dead.engine.record(lost)

        let entry = try #require(logs.entries.last { $0.level == .error })
        let metadata = entry.metadata.mapValues { "\($0)" }
        let expected = [
            "delivery": "\(lost.id)", "export": "\(id)", "caller": "alice", "request-id": "r-1", "file": "1",
            "range-first": "3", "file-bytes": "1234", "sha256": Self.digest, "outcome": "whole",
            "reason": "some-reason",
        ]
        for (key, value) in expected { #expect(metadata[key] == value, "\(key)") }
        let unrecorded = "export_gateway_deliveries_unrecorded_total"
        #expect(dead.counter(unrecorded, [("outcome", "whole")]) == 1)

        let unknown = bench.engine.random.newID(at: bench.time.now())
        await bench.engine.record(delivery(bench, of: unknown, outcome: .broken))
        #expect(bench.counter(unrecorded, [("outcome", "broken")]) == 1)
        let error = await #expect(throws: GatewayError.self) {
            try await bench.engine.deliveries(of: unknown, for: .auditor(), requestID: nil, after: nil, limit: 9)
        }
        #expect(error?.code == .notFound)
        let silent = await #expect(throws: GatewayError.self) {
            try await dead.engine.deliveries(of: id, for: .auditor(), requestID: nil, after: nil, limit: 9)
        }
        #expect(silent?.code == .unavailable)
    }

    @Test func aRangeReachesTheProvider() async throws {
        let bench = try Bench()
        let id = try await finished(bench, [ExportFile(id: "1", name: "a")])
        let range = FileRange(first: 4, last: 9, validator: "\"v\"")
        _ = try await bench.engine.open("1", of: id, for: .owner(), range: range)
        _ = try await bench.engine.open("1", of: id, for: .owner(), range: nil)
        #expect(bench.provider.state.withLock { $0.ranges } == [range, nil])
    }
}
