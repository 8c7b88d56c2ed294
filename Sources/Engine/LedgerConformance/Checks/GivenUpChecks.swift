import ExportLedger
import Exports
import Webhooks

extension LedgerCase {
    static let givenUp = [
        LedgerCase("pending messages are counted for each webhook") { examination in
            let ledger = examination.ledger
            examination.expect(try await ledger.pendingMessages().isEmpty, "there are none at first")
            let (id, other) = (try await ledger.id(of: Sample.webhook()), try await ledger.id(of: Sample.webhook(1)))
            _ = try await ledger.id(of: Sample.webhook(2))
            try await ledger.add([("a", Sample.id(1)), ("b", Sample.id(2))], to: id, at: 5)
            try await ledger.add([("c", nil)], to: id, at: 3)
            try await ledger.add([("a", nil)], to: other, at: 4)
            var wanted = [
                id: WebhookBacklog(count: 3, oldest: Sample.time(3)),
                other: WebhookBacklog(count: 1, oldest: Sample.time(4)),
            ]
            examination.expect(try await ledger.pendingMessages() == wanted, "each with the time of the oldest one")
            let claimed = try await ledger.claim(at: 9, limit: 1)
            examination.expect(claimed.names == ["c"], "the first is claimed")
            examination.expect(try await ledger.pendingMessages() == wanted, "one that is claimed is pending")
            for message in claimed { try await ledger.end(message, .delivered) }
            _ = try await ledger.updateWebhook(id) { $0.state = .disabled }
            wanted[id] = WebhookBacklog(count: 2, oldest: Sample.time(5))
            examination.expect(try await ledger.pendingMessages() == wanted, "whatever the state of the webhook")
            _ = try await ledger.deleteWebhook(id)
            wanted[id] = nil
            examination.expect(try await ledger.pendingMessages() == wanted, "a deleted one has none")
        },
        LedgerCase("what is given up is not sent, and what follows it is") { examination in
            let ledger = examination.ledger
            let (id, other) = (try await ledger.id(of: Sample.webhook()), try await ledger.id(of: Sample.webhook(1)))
            let (one, two) = (Sample.id(1), Sample.id(2))
            for (name, seconds) in [("1", 1), ("2", 2), ("3", 3)] {
                try await ledger.add([("\(name)-one", one), ("\(name)-two", two)], to: id, at: seconds)
            }
            try await ledger.add([("1-one", one)], to: other)
            let claimed = try await ledger.claim(at: 1, limit: 2)
            func giveUp(before seconds: Int, limit: Int, revision: Int64 = 1) async throws -> Int {
                try await ledger.giveUpMessages(
                    of: id,
                    revision: revision,
                    before: Sample.time(seconds),
                    error: "off",
                    limit: limit
                )
            }
            examination.expect(try await giveUp(before: 9, limit: 9) == 0, "none of an enabled webhook")
            _ = try await ledger.updateWebhook(id) { $0.state = .disabledByGateway }
            examination.expect(try await giveUp(before: 9, limit: 9, revision: 2) == 0, "none of another revision")
            examination.expect(try await giveUp(before: 1, limit: 9) == 0, "none that is not older")
            examination.expect(try await giveUp(before: 3, limit: 3) == 3, "not more than the limit")
            examination.expect(try await giveUp(before: 3, limit: 3) == 1, "the rest of them")
            let failed = try await ledger.messages(of: id, state: .failed, before: nil, limit: 9) ?? []
            examination.expect(failed.names == ["2-two", "2-one", "1-two", "1-one"], "the oldest ones")
            examination.expect(
                failed.allSatisfy { $0.lastError == "off" && $0.dueAt == nil },
                "they are not due any more, and say why"
            )
            for message in claimed where message.webhookID == id {
                examination.expect(try await !ledger.end(message, .delivered), "a claim of one cannot be ended")
            }
            _ = try await ledger.updateWebhook(id) { $0.state = .enabled }
            let next = try await ledger.claim(at: 9).filter { $0.webhookID == id }
            examination.expect(Set(next.names) == ["3-one", "3-two"], "those after them have their turn")
            let replayed = try await ledger.replay(of: id, messageID: nil, since: nil, dueAt: Sample.time(9))
            examination.expect(replayed == 4, "they can be replayed")
            let count = try await ledger.giveUpMessages(
                of: Sample.id(),
                revision: 1,
                before: Sample.time(9),
                error: "off",
                limit: 9
            )
            examination.expect(count == 0, "an unknown webhook has none")
        },
    ]
}
