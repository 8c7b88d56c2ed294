import Audit
import ExportLedger
import Exports

extension LedgerCase {
    /// What a trail does with what was not to be expected.
    static let auditFaults = [
        LedgerCase("an entry of the audit trail with another key waits for it") { examination in
            let ledger = examination.ledger
            let (waiting, entry) = (Sample.entry(1, key: Sample.otherAuditKey), Sample.entry(2))
            try await ledger.append([waiting, entry])
            let sealed = try await ledger.seal()
            examination.expect(sealed?.batch.waiting == [waiting], "it is told")
            let others = try await ledger.chain().last?.entry
            examination.expect(others == entry.unstamped, "others are sealed")
            examination.expect(try await ledger.auditBacklog().count == 1, "it is not sealed, and stays")
            _ = try await ledger.seal(others: [Sample.otherAuditKey])
            let last = try await ledger.chain().last?.entry
            examination.expect(last == waiting.unstamped, "it is sealed when its key is known")
            examination.expect(try await ledger.auditBacklog().count == 0, "it waits no longer")
        },
        LedgerCase("entries of the audit trail that wait keep no others waiting") { examination in
            let ledger = examination.ledger
            let entries = (0..<9).map { Sample.entry($0, key: $0 % 3 == 2 ? Sample.auditKey : Sample.otherAuditKey) }
            try await ledger.append(entries)
            var (place, calls) = (Int64(0), 0)
            repeat {
                place = try await ledger.seal(after: place, limit: 2)?.next ?? 0
                calls += 1
            } while place > 0 && calls < 20
            examination.expect(calls < 20, "it is told that there are no more")
            let ids = try await ledger.chain().dropFirst().map(\.entry.id)
            examination.expect(ids == [2, 5, 8].map { entries[$0].id }, "all others are sealed, in their order")
            let backlog = try await ledger.auditBacklog()
            examination.expect(
                backlog == AuditBacklog(count: 6, oldest: Sample.time(0)),
                "the backlog has those that wait"
            )
        },
        LedgerCase("entries of the audit trail that cannot be read keep no others waiting", needs: .damage) {
            examination in
            let ledger = examination.ledger
            let entries = (0..<4).map { Sample.entry($0) }
            try await ledger.append(entries)
            for entry in entries.prefix(2) { try await examination.damage(.auditEntry(entry.id)) }
            let none = try await ledger.seal(limit: 2)
            examination.expect(none?.batch.rows.isEmpty == true, "they are not sealed")
            _ = try await ledger.seal(after: none?.next ?? 0, limit: 2)
            let ids = try await ledger.chain().dropFirst().map(\.entry.id)
            examination.expect(ids == entries.suffix(2).map(\.id), "those after them are")
            examination.expect(try await ledger.auditBacklog().count == 2, "they stay")
        },
        LedgerCase("rows of the audit trail that may not be deleted stay") { examination in
            let ledger = examination.ledger
            try await ledger.append((0..<3).map { Sample.entry($0) })
            try await ledger.sealAll()
            let all = try await ledger.chain()
            func refuse() async throws -> AuditTrimOutcome {
                try await ledger.trimAudit(limit: 2) { oldest in
                    let seen = "\(oldest.rows.map(\.sequence)) of \(oldest.head.sequence)"
                    return .refused(AuditFinding(kind: .altered, sequence: oldest.anchor?.sequence, detail: seen))
                }
            }
            let before = AuditFinding(kind: .altered, sequence: nil, detail: "[1, 2] of 4")
            examination.expect(try await refuse() == .refused(before), "the oldest rows are shown, and the end")
            let (rows, anchor) = (try await ledger.chain(), try await ledger.auditAnchor())
            examination.expect(rows == all && anchor == nil, "all are there")
            _ = try await ledger.trim(before: 700, limit: 2)
            let after = AuditFinding(kind: .altered, sequence: 2, detail: "[3, 4] of 5")
            examination.expect(try await refuse() == .refused(after), "the anchor is shown")
        },
        LedgerCase("whoever seals entries of the audit trail sees both of its ends") { examination in
            let ledger = examination.ledger
            /// Seals nothing, and tells what is seen.
            func look() async throws -> String? {
                let sealed = try await ledger.sealAudit(after: 0, limit: 9) { ends, entries, _ in
                    var batch = AuditChain.Batch()
                    let (first, last) = (ends.first ?? 0, ends.head?.sequence ?? 0)
                    let detail = "\(first) to \(last) after \(ends.anchor?.sequence ?? 0)"
                    batch.finding = AuditFinding(kind: .missing, sequence: nil, detail: detail)
                    batch.fates = entries.map { _ in .waiting }
                    return batch
                }
                return sealed?.batch.finding?.detail
            }
            try await ledger.append([Sample.entry(0)])
            examination.expect(try await look() == "0 to 0 after 0", "where there are no rows")
            try await ledger.sealAll()
            try await ledger.append((1..<4).map { Sample.entry($0) })
            examination.expect(try await look() == "1 to 2 after 0", "where all rows are there")
            examination.expect(try await ledger.auditBacklog().count == 3, "what is not sealed stays")
            try await ledger.sealAll()
            _ = try await ledger.trim(before: 700, limit: 2)
            try await ledger.append([Sample.entry(700)])
            examination.expect(try await look() == "3 to 6 after 2", "where rows were deleted")
            let sealed = try await ledger.seal()
            examination.expect(sealed?.batch.anchor?.sequence == 2, "what is left goes on")
        },
        LedgerCase("a delivery that was broken off has its entry of the audit trail") { examination in
            let ledger = examination.ledger
            let export = try await ledger.id(of: Sample.record())
            let (cut, ended) = (Sample.delivery(of: export), Sample.delivery(of: export, 1))
            _ = try await ledger.begin(Sample.begun(cut))
            _ = try await ledger.insert(ended) { _ in }
            let entry = Sample.entry(7, .download, of: export)
            let count = try await ledger.breakDeliveriesUnderWay(at: Sample.time(60), reason: "stopped") { delivery in
                let isEnded = delivery.outcome == .broken && delivery.endedAt == Sample.time(60)
                return delivery.id == cut.id && isEnded && delivery.reason == "stopped" ? entry : nil
            }
            examination.expect(count == 1, "those under way are counted")
            try await ledger.sealAll()
            let rows = try await ledger.chain()
            examination.expect(
                rows.dropFirst().map(\.entry) == [entry.unstamped],
                "it is made of the delivery as it ended"
            )
        },
    ]
}
