import ExportLedger
import Exports

extension LedgerCase {
    static let durability = [
        LedgerCase("who is cancelled changes nothing, or is answered") { examination in
            let ledger = examination.ledger
            for second in 0..<20 {
                let record = Sample.record(second)
                let write = Task { try await ledger.add(record) }
                if second % 2 == 0 { await Task.yield() }
                write.cancel()
                let result = await write.result
                let isThere = try await ledger.record(record.export.id) != nil
                switch result {
                case .success: examination.expect(isThere, "what was answered is there")
                case .failure(let error):
                    examination.expect(error is CancellationError, "the error is that of the cancellation")
                    examination.expect(!isThere, "what was cancelled is not there")
                }
            }
        },
        LedgerCase("an insertion is carried out in a cancelled task") { examination in
            let ledger = examination.ledger
            let record = Sample.record()
            let write = Task {
                withUnsafeCurrentTask { $0?.cancel() }
                return try await ledger.add(record)
            }
            let outcome = try? await write.value
            examination.expect(outcome == .created(record), "the outcome is told")
            let stored = try await ledger.record(record.export.id)
            examination.expect(stored == record, "the export is there")
        },
        LedgerCase("what was answered outlives a kill", needs: .kill) { examination in
            let ledger = examination.ledger
            let key = Idempotency(key: "k", fingerprint: "f")
            let record = Sample.record()
            _ = try await ledger.add(record, key)
            let created = try await examination.killed()
            examination.expect(try await created.record(record.export.id) == record, "a new export is there")
            let claimed = try await created.claimed(key, by: "alice", claimsSince: Sample.since)
            examination.expect(claimed == .replayed(record), "its key is there")

            let wanted = Sample.changed(record)
            _ = try await ledger.update(record.export.id, fence: nil) { $0 = wanted }
            let updated = try await examination.killed()
            examination.expect(try await updated.record(record.export.id) == wanted, "a change is there")
            let taken = try await ledger.takeOver(by: "other", after: nil, limit: 9) { _ in }.items.first?.after
            let claimedAgain = try await examination.killed()
            examination.expect(try await claimedAgain.record(record.export.id) == taken, "a new fence is there")
        },
        LedgerCase("many that were answered outlive a kill", needs: .kill) { examination in
            let ledger = examination.ledger
            let records = (0..<50).map { Sample.record($0) }
            try await withThrowingTaskGroup(of: Void.self) { group in
                for record in records { group.addTask { _ = try await ledger.add(record) } }
                try await group.waitForAll()
            }
            let ids = try await examination.killed().all().map(\.id)
            examination.expect(Set(ids) == Set(records.map(\.export.id)), "all of them are there")
        },
        LedgerCase("deliveries and tokens outlive a kill", needs: .kill) { examination in
            let ledger = examination.ledger
            let id = try await ledger.id(of: Sample.record())
            let (first, second) = (Sample.delivery(of: id), Sample.delivery(of: id, 1))
            _ = try await ledger.begin(Sample.begun(first))
            _ = try await ledger.insert(second) { $0.export.revision += 1 }
            _ = try await ledger.updateRefreshToken(of: id) { $0 = [7] }
            let next = try await examination.killed()
            examination.expect(try await next.deliveries(of: id) == [Sample.begun(first), second], "both deliveries")
            examination.expect(try await next.record(id)?.export.revision == 2, "what the second changed")
            examination.expect(try await next.refreshToken(of: id) == [7], "the token")
        },
        LedgerCase("a kill loses scheduling progress at most", needs: .kill) { examination in
            let (ledger, record) = (examination.ledger, Sample.tracked())
            let id = try await ledger.id(of: record)
            _ = try await ledger.update(id, fence: nil) { record in
                record.export.observedAt = Sample.time(1)
                record.nextActionAt = Sample.time(61)
                record.scheduledAt = Sample.time(1)
                record.progress.polls += 1
            }
            var found = try await examination.killed().record(id)
            examination.expect(found?.nextActionAt.map { $0 <= Sample.time(61) } ?? false, "it is polled no later")
            found?.export.observedAt = record.export.observedAt
            found?.nextActionAt = record.nextActionAt
            found?.scheduledAt = record.scheduledAt
            found?.progress.polls = record.progress.polls
            examination.expect(found == record, "everything else is there")

            _ = try await ledger.update(id, fence: nil) { record in
                record.progress.polls += 1
                record.progress.missingSince = Sample.time(2)
            }
            let next = try await examination.killed().record(id)
            examination.expect(
                next == (try await ledger.record(id)),
                "a bound that begins is written, with all progress"
            )
        },
        LedgerCase("a full disk refuses and loses nothing", needs: .fullDisk) { examination in
            let (ledger, record) = (examination.ledger, Sample.record())
            let id = try await ledger.id(of: record)
            try await examination.setFull(true)
            let big = String(repeating: "x", count: 100_000)
            await examination.expectError(
                "a new export is refused, with the reason",
                { ($0 as? LedgerError)?.impediment == .diskFull }
            ) {
                var other = Sample.record(1)
                other.export.name = big
                _ = try await ledger.add(other)
            }
            await examination.expectError("a change is refused") {
                _ = try await ledger.update(id, fence: nil) { $0.export.name = big }
            }
            examination.expect(try await ledger.record(id) == record, "what is there can be read, and is as it was")
            examination.expect(try await ledger.all().map(\.id) == [id], "the refused export is not there")
            try await examination.setFull(false)
            _ = try await ledger.update(id, fence: nil) { $0.export.name = big }
            examination.expect(try await ledger.record(id)?.export.name == big, "with space again, it goes on")
        },
    ]
}
