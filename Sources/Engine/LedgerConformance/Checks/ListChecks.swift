import ExportLedger
import Exports

extension LedgerCase {
    /// Ten exports with different values in every column that a filter names, newest last.
    private static func ten(in ledger: any ExportLedger) async throws -> [Export] {
        let records = (0..<10)
            .map { index in
                var record = Sample.record(
                    index,
                    provider: index % 2 == 0 ? "power-bi" : "viva-goals",
                    connection: index < 5 ? "a" : "b",
                    by: index % 7 == 0 ? "bob" : "alice"
                )
                record.export.status = index % 3 == 0 ? .succeeded : .running
                return record
            }
        for record in records.shuffled() { _ = try await ledger.add(record) }
        return records.map(\.export)
    }

    static let lists = [
        LedgerCase("the newest come first") { examination in
            let exports = try await ten(in: examination.ledger)
            examination.expect(try await examination.ledger.all() == exports.reversed(), "all, newest first")
        },
        LedgerCase("filters combine in every way") { examination in
            let exports = try await ten(in: examination.ledger)
            for combination in 0..<64 {
                var filter = ExportFilter()
                func isSet(_ bit: Int) -> Bool { combination >> bit & 1 == 1 }
                if isSet(0) { filter.provider = ProviderID("power-bi") }
                if isSet(1) { filter.connection = "b" }
                if isSet(2) { filter.status = .succeeded }
                if isSet(3) { filter.createdBy = "alice" }
                if isSet(4) { filter.createdAfter = Sample.time(2) }
                if isSet(5) { filter.createdBefore = Sample.time(8) }
                let wanted = exports.reversed()
                    .filter { export in
                        (!isSet(0) || export.provider == ProviderID("power-bi"))
                            && (!isSet(1) || export.connection == "b") && (!isSet(2) || export.status == .succeeded)
                            && (!isSet(3) || export.createdBy == "alice")
                            && (!isSet(4) || export.createdAt >= Sample.time(2))
                            && (!isSet(5) || export.createdAt < Sample.time(8))
                    }
                examination.expect(try await examination.ledger.all(filter) == wanted, "those that match \(filter)")
            }
            var none = ExportFilter()
            none.status = .failed
            examination.expect(try await examination.ledger.all(none).isEmpty, "none where none matches")
        },
        LedgerCase("a filter follows the status") { examination in
            let ledger = examination.ledger
            let id = try await ledger.id(of: Sample.record())
            _ = try await ledger.update(id, fence: nil) { $0.export.status = .failed }
            var filter = ExportFilter()
            filter.status = .failed
            examination.expect(try await ledger.all(filter).map(\.id) == [id], "it is found by its new status")
            filter.status = .notStarted
            examination.expect(try await ledger.all(filter).isEmpty, "it is not found by its former one")
        },
        LedgerCase("a list shows what is known of its revision") { examination in
            let ledger = examination.ledger
            var snapshots: [ExportID: ExportSnapshot] = [:]
            for export in try await ten(in: ledger) { snapshots[export.id] = ExportSnapshot(export) }
            let known = snapshots
            let ids = known.keys.sorted(by: >)
            _ = try await ledger.update(ids[3], fence: nil) { record in
                record.export.percentComplete = 7
                record.export.revision += 1
            }
            let page = try await ledger.exports(matching: ExportFilter(), before: nil, limit: 6) { id, revision in
                id == ids[1] || known[id]?.export.revision != revision ? nil : known[id]
            }
            let isKnown = page.snapshots.map { known[$0.export.id] === $0 }
            examination.expect(isKnown == [true, false, true, false, true, true], "what is known is shown as it is")
            examination.expect(page.exports.map(\.id) == Array(ids[..<6]), "the order is the same")
            let now = try await ledger.record(ids[3])?.export
            examination.expect(page.exports[3] == now, "what has another revision is read")
            examination.expect(page.exports[1] == known[ids[1]]?.export, "what is not known is read")
        },
        LedgerCase("pages follow one another") { examination in
            let ledger = examination.ledger
            let exports = try await ten(in: ledger).map(\.id)
            let first = try await ledger.exports(matching: ExportFilter(), before: nil, limit: 4)
            examination.expect(first.exports.map(\.id) == exports[6...].reversed(), "a page has its limit")
            examination.expect(first.hasMore, "it tells that there is more")
            _ = try await ledger.add(Sample.record(60))
            let second = try await ledger.exports(matching: ExportFilter(), before: exports[6], limit: 4)
            examination.expect(second.exports.map(\.id) == exports[2...5].reversed(), "new exports move no page")
            let last = try await ledger.exports(matching: ExportFilter(), before: exports[2], limit: 2)
            examination.expect(last.exports.map(\.id) == exports[...1].reversed(), "the last page is whole")
            examination.expect(!last.hasMore, "the last page has none after it")
            let empty = try await ledger.exports(matching: ExportFilter(), before: nil, limit: 0)
            examination.expect(empty.exports.isEmpty && empty.hasMore, "a page of none tells that there is more")
        },
    ]

    static let expiries = [
        LedgerCase("successes expire at their time") { examination in
            let ledger = examination.ledger
            let exports = try await ten(in: ledger).map(\.id)
            examination.expect(try await ledger.nextExpiry() == nil, "without a time none expires")
            // Number 1 is running: it has nothing that could expire.
            for (index, seconds) in [(0, 50), (3, 20), (1, 10)] {
                _ = try await ledger.update(exports[index], fence: nil) { $0.export.expiresAt = Sample.time(seconds) }
            }
            examination.expect(try await ledger.nextExpiry() == Sample.time(20), "the first success is next")
            examination.expect(try await ledger.expired(at: Sample.time(19), limit: 9) == [], "none before its time")
            let due = try await ledger.expired(at: Sample.time(20), limit: 9)
            examination.expect(due == [exports[3]], "each at its time")
            examination.expect(try await ledger.expired(at: Sample.time(99), limit: 1).count == 1, "the limit is kept")
            _ = try await ledger.update(exports[3], fence: nil) { $0.export.status = .expired }
            examination.expect(try await ledger.nextExpiry() == Sample.time(50), "what has expired is not due again")
        }
    ]
}
