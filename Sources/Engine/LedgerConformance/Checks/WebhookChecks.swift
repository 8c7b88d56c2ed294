import ExportLedger
import Exports
import Webhooks

extension LedgerCase {
    static let webhooks = [
        LedgerCase("a webhook comes back as it was written") { examination in
            let ledger = examination.ledger
            let least = Sample.webhook()
            let full = Sample.changed(Sample.webhook(1))
            for webhook in [least, full] {
                examination.expect(try await ledger.insert(webhook, limit: 9), "it is stored")
                examination.expect(try await ledger.webhook(webhook.id) == webhook, "every field is")
            }
            let all = try await ledger.webhooks(of: nil, after: nil, limit: 9)
            examination.expect(all == [least, full], "lists have every field too")
            examination.expect(try await ledger.webhook(Sample.id()) == nil, "an unknown one is not there")
        },
        LedgerCase("an owner has a limited number of webhooks") { examination in
            let ledger = examination.ledger
            for seconds in 0..<2 { _ = try await ledger.insert(Sample.webhook(seconds), limit: 2) }
            let third = Sample.webhook(2)
            examination.expect(try await !ledger.insert(third, limit: 2), "not more than the limit")
            examination.expect(try await ledger.webhook(third.id) == nil, "what is refused is not stored")
            examination.expect(try await ledger.insert(Sample.webhook(3, by: "bob"), limit: 2), "for each owner")
            let outcomes = try await withThrowingTaskGroup(of: Bool.self) { group in
                for seconds in 0..<8 {
                    group.addTask { try await ledger.insert(Sample.webhook(seconds, by: "carol"), limit: 3) }
                }
                return try await group.reduce(into: 0) { $0 += $1 ? 1 : 0 }
            }
            examination.expect(outcomes == 3, "also of those that come at once")
        },
        LedgerCase("pages of webhooks follow one another") { examination in
            let ledger = examination.ledger
            var all: [Webhook] = []
            for seconds in 0..<5 { all.append(Sample.webhook(seconds, by: seconds % 2 == 0 ? "alice" : "bob")) }
            for webhook in all.shuffled() { _ = try await ledger.insert(webhook, limit: 9) }
            for (owner, after, limit, wanted) in [
                (nil, nil, 3, Array(all[..<3])), (nil, all[2].id, 3, Array(all[3...])), (nil, nil, 0, []),
                ("alice", nil, 2, [all[0], all[2]]), ("alice", all[2].id, 2, [all[4]]), ("carol", nil, 9, []),
            ] as [(String?, ExportID?, Int, [Webhook])] {
                let page = try await ledger.webhooks(of: owner, after: after, limit: limit)
                let place = "\(limit) after \(after?.description ?? "none") of \(owner ?? "all")"
                examination.expect(page == wanted, "\(place) are \(wanted.count)")
            }
        },
        LedgerCase("a change of a webhook is whole or not made") { examination in
            struct Refused: Error {}
            let ledger = examination.ledger
            let before = Sample.webhook()
            let id = try await ledger.id(of: before)
            await examination.expectError("what the change throws is thrown", { $0 is Refused }) {
                _ = try await ledger.updateWebhook(id) { webhook in
                    webhook.label = "changed"
                    throw Refused()
                }
            }
            for alter in [
                { @Sendable in $0.id = Sample.id(9) }, { @Sendable in $0.createdBy = "bob" },
                { @Sendable in $0.position += 1 },
            ] as [@Sendable (inout Webhook) -> Void] {
                await examination.expectError("id, owner and position stay") {
                    _ = try await ledger.updateWebhook(id) { webhook in
                        webhook.label = "changed"
                        alter(&webhook)
                    }
                }
            }
            examination.expect(try await ledger.webhook(id) == before, "nothing was changed then")
            let wanted = Sample.changed(before)
            let after = try await ledger.updateWebhook(id) { $0 = Sample.changed($0) }
            examination.expect(after == wanted, "the new webhook is returned")
            examination.expect(try await ledger.webhook(id) == wanted, "every field is written")
            let unknown = try await ledger.updateWebhook(Sample.id()) { $0.label = "changed" }
            examination.expect(unknown == nil, "an unknown one is not changed")
        },
        LedgerCase("a deleted webhook is gone with its messages") { examination in
            let ledger = examination.ledger
            let (id, other) = (try await ledger.id(of: Sample.webhook()), try await ledger.id(of: Sample.webhook(1)))
            for webhook in [id, other] { try await ledger.add([("a", nil), ("b", Sample.id())], to: webhook) }
            let claimed = try await ledger.claim(at: 1, limit: 1).first
            examination.expect(try await ledger.deleteWebhook(id), "it is deleted")
            examination.expect(try await !ledger.deleteWebhook(id), "once")
            examination.expect(try await ledger.webhook(id) == nil, "it is not there")
            let page = try await ledger.messages(of: id, state: nil, before: nil, limit: 9)
            examination.expect(page == nil, "it has no messages")
            examination.expect(try await ledger.message("a", of: id) == nil, "none can be read")
            if let claimed { examination.expect(try await !ledger.end(claimed, .delivered), "a claim cannot end") }
            examination.expect(try await !ledger.add([("c", nil)], to: id), "none can be added")
            let replayed = try await ledger.replay(of: id, messageID: nil, since: nil, dueAt: Sample.time(9))
            examination.expect(replayed == 0, "none is replayed")
            let left = try await ledger.claim(at: 99)
            examination.expect(left.map(\.webhookID) == [other, other], "others keep theirs")
        },
        LedgerCase("what a deleted webhook leaves is pruned") { examination in
            let ledger = examination.ledger
            let id = try await ledger.id(of: Sample.webhook())
            try await ledger.add((0..<1_005).map { ("\($0)", Sample.id($0)) }, to: id)
            _ = try await ledger.deleteWebhook(id)
            examination.expect(try await ledger.message("1004", of: id) == nil, "no message can be read")
            examination.expect(try await ledger.claim(at: 9).isEmpty, "none is claimed")
            examination.expect(try await ledger.nextMessage(perWebhook: 9) == nil, "none is due")
            var (counts, count): ([Int], Int) = ([], 0)
            repeat {
                count = try await ledger.pruneMessages(before: Sample.epoch, limit: 4)
                counts.append(count)
            } while count > 0
            examination.expect(counts.allSatisfy { $0 <= 4 } && counts.reduce(0, +) <= 5, "in parts, if any are left")
        },
    ]
}
