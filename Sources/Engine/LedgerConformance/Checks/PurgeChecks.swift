import ExportLedger
import Exports
import Webhooks

extension LedgerCase {
    static let purges = [
        LedgerCase("a purged export leaves its tombstone, and nothing else") { examination in
            let (ledger, record) = (examination.ledger, Sample.ended(job: "job"))
            let id = try await ledger.id(of: record)
            let other = try await ledger.id(of: Sample.ended(1))
            for export in [id, other] { _ = try await ledger.insert(Sample.delivery(of: export)) { _ in } }
            let wanted = Sample.tombstone(of: record, at: 100)
            examination.expect(try await ledger.tombstone(id) == nil, "there is none before")
            examination.expect(try await ledger.purge(id) == .purged(wanted), "the tombstone is told")
            examination.expect(try await ledger.tombstone(id) == wanted, "it is stored")
            examination.expect(try await ledger.record(id) == nil, "there is no record any more")
            examination.expect(try await ledger.deliveries(of: id) == nil, "its deliveries are gone")
            examination.expect(try await ledger.all().map(\.id) == [other], "no list has it")
            examination.expect(try await ledger.deliveries(of: other)?.count == 1, "others stay as they are")
            let changes = try await ledger.events(after: 0, limit: 100)
            let change = ExportChange(position: changes.last?.position ?? 0, purging: wanted, revision: 1)
            examination.expect(changes.last == .change(change), "a change tells of it")
            examination.expect(try await ledger.purge(id, at: 200) == .gone(wanted), "it is purged once")
            examination.expect(try await ledger.events(after: 0, limit: 100) == changes, "and told once")
            examination.expect(try await ledger.purge(Sample.id(5)) == .notFound, "an unknown export is not purged")
            let begun = try await ledger.begin(Sample.begun(Sample.delivery(of: id, 7)))
            let outcome = try await ledger.update(id, fence: nil) { $0.export.name = "again" }
            examination.expect(!begun && outcome == .notFound, "nothing brings it back")
        },
        LedgerCase("an export with an obstacle is kept whole") { examination in
            let (ledger, key) = (examination.ledger, Idempotency(key: "k", fingerprint: "f"))
            var (retained, unconfirmed) = (Sample.ended(1), Sample.ended(2))
            var awaitsFiles = Sample.tracked(3)
            retained.export.retainedAt = Sample.time(20)
            unconfirmed.progress.recoveringSince = Sample.time(5)
            (awaitsFiles.export.status, awaitsFiles.export.completedAt) = (.succeeded, Sample.time(10))
            let records: [(LedgerRecord, PurgeObstacle)] = [
                (Sample.record(0), .unfinished), (awaitsFiles, .unfinished), (retained, .retained),
                (unconfirmed, .unconfirmedStart), (Sample.ended(4), .deliveryUnderWay),
                (Sample.ended(5), .idempotencyKey),
            ]
            for (record, obstacle) in records {
                _ = try await ledger.add(record, obstacle == .idempotencyKey ? key : nil)
            }
            let delivery = Sample.delivery(of: records[4].0.export.id)
            _ = try await ledger.begin(Sample.begun(delivery))
            let before = try await ledger.events(after: 0, limit: 100)
            for (record, obstacle) in records {
                let outcome = try await ledger.purge(record.export.id, at: Sample.time(9), claimsSince: Sample.time(5))
                examination.expect(outcome == .kept(obstacle), "\(obstacle.rawValue) is told")
            }
            let page = try await ledger.purgeFailed(claimsSince: 5)
            // Those that can never be purged as they are do not even count as looked at.
            examination.expect(page.purged.isEmpty, "no batch purges one")
            examination.expect(
                page.kept == [.deliveryUnderWay: 1, .idempotencyKey: 1],
                "what stands in the way is told"
            )
            for (record, _) in records {
                examination.expect(try await ledger.record(record.export.id) == record, "the record is as before")
                examination.expect(try await ledger.tombstone(record.export.id) == nil, "there is no tombstone")
            }
            examination.expect(try await ledger.events(after: 0, limit: 100) == before, "nothing is told")
            // Without the obstacles.
            _ = try await ledger.insert(delivery) { _ in }
            _ = try await ledger.update(retained.export.id, fence: nil) { $0.export.retainedAt = nil }
            _ = try await ledger.update(unconfirmed.export.id, fence: nil) { $0.progress.recoveringSince = nil }
            let purged = try await ledger.purgeFailed().purged.map(\.id)
            examination.expect(Set(purged) == Set(records[2...].map(\.0.export.id)), "without them they are purged")
        },
        LedgerCase("an export is kept until webhooks were told of it") { examination in
            let ledger = examination.ledger
            var (behind, off) = (Sample.webhook(), Sample.webhook(1))
            (behind.position, off.position, off.state) = (0, 0, .disabled)
            for webhook in [behind, off] { _ = try await ledger.insert(webhook, limit: 9) }
            let id = try await ledger.id(of: Sample.ended())
            examination.expect(try await ledger.purge(id) == .kept(.webhooksBehind), "one has not read its changes")
            examination.expect(try await ledger.purgeFailed().kept == [.webhooksBehind: 1], "a batch keeps it too")
            let last = try await ledger.eventRange().last
            let message = Sample.message("a", of: behind.id, id)
            let isAdded = try await ledger.add([message], to: behind.id, position: (0, last, behind.revision))
            examination.expect(isAdded, "the webhook has read them")
            examination.expect(try await ledger.purge(id) == .kept(.webhooksBehind), "its message is pending")
            guard let claimed = try await ledger.claim(at: 9).first else {
                return examination.report("it can be claimed")
            }
            examination.expect(try await ledger.purge(id) == .kept(.webhooksBehind), "it is being sent")
            try await ledger.end(claimed, .delivered)
            // The one that is off is told of the changes when it is on again: they say what it has to know.
            examination.expect(try await ledger.purgeFailed().purged.map(\.id) == [id], "then it is purged")
            examination.expect(try await ledger.message("a", of: behind.id) != nil, "the message stays")
        },
        LedgerCase("exports are purged in the order of their ends") { examination in
            let ledger = examination.ledger
            var kept = Sample.ended(9, at: 21)
            kept.export.retainedAt = Sample.time(30)
            let records = [
                Sample.ended(0, at: 40), Sample.ended(1, at: 20), Sample.ended(2, at: 30), Sample.ended(3, at: 30),
                Sample.ended(4, at: 30), Sample.ended(5, at: 50), kept,
            ]
            let others = [Sample.ended(6, .canceled, at: 20), Sample.ended(7, at: 20, provider: "intune")]
            for record in (records + others).shuffled() { _ = try await ledger.add(record) }
            let wanted = [1, 2, 3, 4, 0].map { records[$0].export.id }
            var (purged, place) = ([ExportID](), EndedExports.Place?.none)
            var sizes: [Int] = []
            repeat {
                let page = try await ledger.purgeFailed(before: 50, after: place, limit: 2)
                purged += page.purged.map(\.id)
                sizes.append(page.purged.count)
                place = page.next
            } while place != nil && sizes.count < 9
            examination.expect(purged == wanted, "those that ended before the time, and no others")
            examination.expect(sizes.allSatisfy { $0 <= 2 }, "no more in a batch than asked for")
            let left = Set(try await ledger.all().map(\.id))
            let wantedLeft = Set((others + [records[5], kept]).map(\.export.id))
            examination.expect(left == wantedLeft, "the others are left")
            examination.expect(try await ledger.purgeFailed(limit: 0).purged.isEmpty, "no batch has none")
        },
        LedgerCase("a batch goes on after what is kept") { examination in
            let ledger = examination.ledger
            let records = (0..<5).map { Sample.ended($0, at: 10 + $0) }
            for record in records { _ = try await ledger.add(record) }
            for place in [0, 1] {
                _ = try await ledger.begin(Sample.begun(Sample.delivery(of: records[place].export.id)))
            }
            let first = try await ledger.purgeFailed(limit: 2)
            examination.expect(first.kept == [.deliveryUnderWay: 2] && first.next != nil, "the first two are kept")
            let second = try await ledger.purgeFailed(after: first.next, limit: 9)
            examination.expect(second.purged.map(\.id) == records[2...].map(\.export.id), "the others follow")
            examination.expect(second.kept.isEmpty, "what was kept is not looked at again")
            examination.expect(second.next == nil, "there are no more")
        },
        LedgerCase("the key of a purged export creates no other") { examination in
            let (ledger, key) = (examination.ledger, Idempotency(key: "k", fingerprint: "f"))
            let record = Sample.ended()
            _ = try await ledger.add(record, key)
            guard case .purged(let tombstone) = try await ledger.purge(record.export.id) else {
                return examination.report("it is purged")
            }
            // By the clock of another replica, the key is still in its window.
            let again = try await ledger.add(Sample.record(50), key)
            examination.expect(again == .purged(tombstone), "the tombstone is told")
            let asked = try await ledger.claimed(key, by: "alice", claimsSince: Sample.since)
            examination.expect(asked == .purged(tombstone), "also when it is only asked for")
            let other = try await ledger.add(Sample.record(51), Idempotency(key: "k", fingerprint: "g"))
            examination.expect(other == .keyReused, "another request does not get the key")
            if let outcome = try await ledger.addWithoutATask(Sample.record(52), key) {
                examination.expect(outcome == .purged(tombstone), "also without a task")
            }
            examination.expect(try await ledger.all().isEmpty, "nothing was created")
            try await ledger.pruneClaims(before: Sample.time(1))
            let next = Sample.record(53)
            examination.expect(try await ledger.add(next, key) == .created(next), "a pruned key is free")
        },
        LedgerCase("a job of a purged export stays its own") { examination in
            let (ledger, record) = (examination.ledger, Sample.ended(job: "job"))
            let id = try await ledger.id(of: record)
            _ = try await ledger.purge(id)
            let other = try await ledger.id(of: Sample.tracked(1, job: nil))
            let claims = try await ledger.claims(
                on: ["job", "free"],
                of: ProviderID("power-bi"),
                connection: "main",
                except: other
            )
            examination.expect(claims.boundIDs == ["job"], "it is told as bound")
            let outcome = try await ledger.update(other, fence: nil) { $0.reference = UpstreamReference(id: "job") }
            examination.expect(outcome == .jobTaken(by: id), "no other export is bound to it")
            let free = try await ledger.update(other, fence: nil) { $0.reference = UpstreamReference(id: "free") }
            if case .written = free {} else { examination.report("another job is free") }
        },
        LedgerCase("of purges at once one purges") { examination in
            let ledger = examination.ledger
            let id = try await ledger.id(of: Sample.ended())
            let outcomes = try await withThrowingTaskGroup(of: PurgeOutcome.self) { group in
                for second in 100..<108 { group.addTask { try await ledger.purge(id, at: second) } }
                return try await group.reduce(into: []) { $0.append($1) }
            }
            let purged = outcomes.compactMap { if case .purged(let tombstone) = $0 { tombstone } else { nil } }
            examination.expect(purged.count == 1, "of eight, one")
            examination.expect(
                try await ledger.tombstone(id) == purged.first,
                "its tombstone is the one that is stored"
            )
            let told = try await ledger.events(after: 0, limit: 100).count
            examination.expect(told == 2, "it is told once")
        },
        LedgerCase("a kill leaves an export or its tombstone", needs: .kill) { examination in
            let ledger = examination.ledger
            let records = (0..<40).map { Sample.ended($0, at: 10 + $0) }
            for record in records {
                _ = try await ledger.add(record)
                _ = try await ledger.insert(Sample.delivery(of: record.export.id)) { _ in }
            }
            let first = try await ledger.purgeFailed(limit: 10).purged.map(\.id)
            let answered = try await examination.killed()
            for id in first {
                examination.expect(try await answered.tombstone(id) != nil, "what was answered is there")
            }
            let purging = Task {
                var place: EndedExports.Place?
                repeat { place = try await ledger.purgeFailed(after: place, limit: 4).next } while place != nil
            }
            await Task.yield()
            let next = try await examination.killed()
            // A server that was killed answers no purge: what is stored counts.
            _ = await purging.result
            for ledger in [answered, next, ledger] {
                let changes = try await ledger.events(after: 0, limit: 1_000)
                for record in records {
                    let id = record.export.id
                    let isThere = try await ledger.record(id) == record
                    let tombstone = try await ledger.tombstone(id)
                    let deliveries = try await ledger.deliveries(of: id)?.count
                    let isTold = changes.contains { $0.purges(id) }
                    let isWhole = isThere && deliveries == 1 && tombstone == nil && !isTold
                    let isPurged = !isThere && deliveries == nil && tombstone != nil && isTold
                    examination.expect(isWhole || isPurged, "each is whole or purged")
                }
            }
        },
    ]
}

extension RecordedEvent {
    /// Whether it tells that an export was purged.
    fileprivate func purges(_ id: ExportID) -> Bool {
        guard case .change(let change) = self else { return false }
        return change.exportID == id && change.isPurge
    }
}
