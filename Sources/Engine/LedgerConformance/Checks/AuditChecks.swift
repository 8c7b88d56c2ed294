import Audit
import ExportLedger
import Exports

extension LedgerCase {
    static let audit = [
        LedgerCase("an entry of the audit trail is stored with its change") { examination in
            let ledger = examination.ledger
            var record = Sample.record()
            let id = record.export.id
            record.auditEntry = Sample.entry(1, .create, of: id)
            let outcome = try await ledger.add(record)
            examination.expect(outcome == .created(record.audited), "a new export is told without it")
            let change = Sample.entry(2, .cancel, of: id)
            let written = try await ledger.update(id, fence: nil) { record in
                record.cancelWished = true
                record.auditEntry = change
            }
            if case .written(_, let after) = written {
                examination.expect(after.auditEntry == nil && after.cancelWished, "a change is told without it")
            } else {
                examination.report("a change is made")
            }
            let alone = Sample.entry(3, .retain, of: id)
            _ = try await ledger.update(id, fence: nil) { $0.auditEntry = alone }
            let end = Sample.entry(4, .download, of: id)
            _ = try await ledger.insert(Sample.delivery(of: id)) { $0.auditEntry = end }
            examination.expect(try await ledger.record(id)?.auditEntry == nil, "no record that is read has one")
            try await ledger.sealAll()
            let ended = Sample.ended(9)
            let purged = ended.export.id
            _ = try await ledger.add(ended)
            _ = try await ledger.purge(purged, at: Sample.time(900), claimsSince: Sample.time(900)) {
                Sample.entry(5, .purge, of: $0.id)
            }
            try await ledger.sealAll()
            let rows = try await ledger.chain().map(\.entry)
            let actions: [AuditAction] = [.keyChange, .create, .cancel, .retain, .download, .purge]
            examination.expect(rows.map(\.action) == actions, "each is in the chain, in this order")
            examination.expect(rows.last?.exportID == purged, "the entry of a purge names its export")
            examination.expect(rows.contains(change.unstamped), "an entry comes back as it was written")
        },
        LedgerCase("what is not changed leaves no entry of the audit trail") { examination in
            let ledger = examination.ledger
            let key = Idempotency(key: "k", fingerprint: "f")
            let record = Sample.record()
            let id = record.export.id
            _ = try await ledger.add(record, key)
            var again = Sample.record(1)
            again.auditEntry = Sample.entry(1, .create)
            _ = try await ledger.add(again, key)
            _ = try await ledger.update(id, fence: 77) { $0.auditEntry = Sample.entry(2, .cancel) }
            _ = try await ledger.update(Sample.id(5), fence: nil) { $0.auditEntry = Sample.entry(3, .cancel) }
            _ = try await ledger.insert(Sample.delivery(of: Sample.id(6))) {
                $0.auditEntry = Sample.entry(4, .download)
            }
            let kept = try await ledger.purge(id, at: Sample.time(900), claimsSince: Sample.time(900)) { _ in
                Sample.entry(5, .purge)
            }
            examination.expect(kept == .kept(.unfinished), "an export that has not ended is kept")
            let backlog = try await ledger.auditBacklog()
            examination.expect(backlog == AuditBacklog(count: 0, oldest: nil), "nothing waits to be sealed")
        },
        LedgerCase("entries of the audit trail are sealed in one chain") { examination in
            let ledger = examination.ledger
            examination.expect(try await ledger.auditHead() == nil, "it begins without rows")
            examination.expect(try await ledger.seal() == nil, "nothing is sealed where nothing waits")
            try await ledger.append((0..<5).map { Sample.entry($0) })
            let backlog = try await ledger.auditBacklog()
            examination.expect(backlog == AuditBacklog(count: 5, oldest: Sample.time(0)), "the backlog is told")
            let first = try await ledger.seal(limit: 2)
            examination.expect(first?.batch.rows.count == 3, "so many are sealed, and the key is told")
            examination.expect(first?.next != nil, "it is told that there may be more")
            try await ledger.sealAll(limit: 2)
            let rows = try await ledger.chain()
            examination.expect(rows.dropFirst().map(\.entry.time) == (0..<5).map { Sample.time($0) }, "in their order")
            examination.expect(Sample.findings(rows) == [], "the chain is whole")
            examination.expect(try await ledger.auditHead() == rows.last.map { AuditHead($0) }, "its end is told")
            try await withThrowingTaskGroup(of: Void.self) { group in
                for second in 10..<50 { group.addTask { try await ledger.append([Sample.entry(second)]) } }
                for _ in 0..<8 { group.addTask { for _ in 0..<5 { _ = try await ledger.seal(limit: 7) } } }
                try await group.waitForAll()
            }
            try await ledger.sealAll()
            let all = try await ledger.chain()
            examination.expect(all.count == 46, "of many at once each is sealed once")
            examination.expect(Sample.findings(all) == [], "there is one chain")
            let part = try await ledger.auditRows(after: 4, limit: 3)
            examination.expect(part.rows == Array(all[4..<7]) && part.isFull, "a part of it is read in its order")
        },
        LedgerCase("an entry of the audit trail is sealed once") { examination in
            let ledger = examination.ledger
            let (entry, other) = (Sample.entry(), Sample.entry(1))
            try await ledger.append([entry])
            try await ledger.sealAll()
            try await ledger.append([entry, other])
            let sealed = try await ledger.seal()
            examination.expect(sealed?.batch.rejected == [entry], "what was sealed before is rejected")
            examination.expect(sealed?.next == nil, "it is told that nothing is left")
            let actions = try await ledger.chain().map(\.entry.action)
            examination.expect(actions == [.keyChange, .ticket, .ticket, .reject], "and a row says so")
            examination.expect(try await ledger.auditBacklog().count == 0, "it waits no longer")
        },
        LedgerCase("rows of the audit trail are listed by every filter") { examination in
            let ledger = examination.ledger
            let export = Sample.id(77)
            let entries = [
                Sample.entry(3, .create, of: export), Sample.entry(1, .deny, by: nil),
                Sample.entry(2, .cancel, by: "bob"),
                Sample.entry(4, .download, of: export), Sample.entry(4, .create, by: "bob", of: Sample.id(78)),
            ]
            try await ledger.append(entries)
            try await ledger.sealAll()
            func list(_ change: (inout AuditFilter) -> Void) async throws -> [ExportID] {
                var filter = AuditFilter()
                change(&filter)
                return try await ledger.auditRows(matching: filter, before: nil, limit: 100).rows.map(\.entry.id)
            }
            func ids(_ places: Int...) -> [ExportID] { places.map { entries[$0].id } }
            let all = try await list { $0.to = Sample.time(400) }
            examination.expect(all == ids(4, 3, 0, 2, 1), "the newest come first, and of one time the last")
            examination.expect(try await list { $0.exportID = export } == ids(3, 0), "those of an export")
            examination.expect(try await list { $0.caller = "bob" } == ids(4, 2), "those of a caller")
            examination.expect(try await list { $0.action = .create } == ids(4, 0), "those of an action")
            let times = try await list { ($0.from, $0.to) = (Sample.time(2), Sample.time(4)) }
            examination.expect(times == ids(0, 2), "those of a time, without its end")
            let both = try await list { ($0.caller, $0.action) = ("bob", .create) }
            examination.expect(both == ids(4), "filters combine")
            var (filter, place, pages) = (AuditFilter(), AuditPlace?.none, [AuditRow]())
            filter.to = Sample.time(400)
            repeat {
                let page = try await ledger.auditRows(matching: filter, before: place, limit: 2)
                pages += page.rows
                place = page.isFull ? page.last : nil
            } while place != nil
            examination.expect(pages.map(\.entry.id) == ids(4, 3, 0, 2, 1), "pages follow one another")
        },
        LedgerCase("a page of the audit trail looks at so many rows at most") { examination in
            let ledger = examination.ledger
            let (most, export) = (AuditSearch.mostLooked, Sample.id(1))
            let oldest = Sample.entry(0, .deny)
            for first in stride(from: 0, through: most + 5, by: 200) {
                let numbers = first..<min(first + 200, most + 6)
                try await ledger.append(numbers.map { $0 == 0 ? oldest : Sample.entry($0, .ticket, of: export) })
                try await ledger.sealAll(limit: 200)
            }
            var filter = AuditFilter()
            (filter.caller, filter.action) = ("alice", .deny)
            let first = try await ledger.auditRows(matching: filter, before: nil, limit: 3)
            examination.expect(first.rows.isEmpty && first.isFull, "a page without rows may not be the last")
            examination.expect(first.last?.time == Sample.time(6), "it says where it has ended")
            let second = try await ledger.auditRows(matching: filter, before: first.last, limit: 3)
            examination.expect(second.rows.map(\.entry.id) == [oldest.id], "the next one goes on there")
            examination.expect(!second.isFull, "and is the last")
            (filter.action, filter.exportID) = (.ticket, export)
            let matching = try await ledger.auditRows(matching: filter, before: nil, limit: 3)
            let times = [most + 5, most + 4, most + 3].map { Sample.time($0) }
            examination.expect(matching.rows.map(\.entry.time) == times, "what matches is found at once")
        },
        LedgerCase("the oldest rows of the audit trail are deleted, and the rest is whole") { examination in
            let ledger = examination.ledger
            try await ledger.append((0..<6).map { Sample.entry($0 * 10) })
            try await ledger.sealAll()
            let all = try await ledger.chain()
            examination.expect(try await ledger.trim(before: 0) == .nothing, "nothing is so old")
            // The first row, about the key, has the time of the sealing.
            let none = try await ledger.trim(before: 400)
            examination.expect(none == .nothing, "a row that is not old keeps those after it")
            let some = try await ledger.trim(before: 700, limit: 4)
            examination.expect(some.count == 4, "no more than asked for are deleted")
            let anchor = try await ledger.auditAnchor()
            examination.expect(anchor?.sequence == 4 && anchor?.code == all[3].code, "the last one of them is kept")
            let rest = try await ledger.chain()
            examination.expect(rest.first == all[4] && rest.last?.entry.action == .trim, "the rest is there")
            examination.expect(some == .deleted(4, Array(rest.suffix(1))), "the row about the deletion is told")
            let heads = [AuditHead(all[3]), AuditHead(all[5])]
            examination.expect(Sample.findings(rest, after: anchor, heads: heads) == [], "and whole")
            _ = try await ledger.trim(before: 10_000)
            let last = try await ledger.chain()
            examination.expect(last.map(\.entry.action) == [.trim, .trim], "the end of the chain is never deleted")
            let moved = try await ledger.auditAnchor()
            examination.expect(moved?.sequence == 7, "the anchor is moved")
            examination.expect(Sample.findings(last, after: moved) == [], "what is left is whole")
            // As if somebody had copied it before.
            let copy = Sample.entry(50)
            try await ledger.append([copy])
            let sealed = try await ledger.seal()
            examination.expect(sealed?.batch.rejected == [copy], "what may be a copy of a deleted row is rejected")
        },
        LedgerCase("a kill leaves an entry of the audit trail or its row", needs: .kill) { examination in
            let ledger = examination.ledger
            var record = Sample.record()
            let id = record.export.id
            record.auditEntry = Sample.entry(1, .create, of: id)
            _ = try await ledger.add(record)
            let before = try await examination.killed()
            examination.expect(try await before.auditBacklog().count == 1, "what was answered waits")
            try await ledger.sealAll()
            let after = try await examination.killed()
            examination.expect(try await after.chain().last?.entry.exportID == id, "what was sealed is in the chain")
            examination.expect(try await after.auditBacklog().count == 0, "and waits no longer")
            try await after.append([Sample.entry(2)])
            try await after.sealAll()
            let rows = try await after.chain()
            examination.expect(rows.count == 3 && Sample.findings(rows) == [], "the next process goes on with it")
        },
    ]
}
