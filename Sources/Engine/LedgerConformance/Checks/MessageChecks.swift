import ExportLedger
import Exports
import Webhooks

extension LedgerCase {
    static let messages = [
        LedgerCase("messages and their webhook's position are stored together") { examination in
            let ledger = examination.ledger
            let id = try await ledger.id(of: Sample.webhook())
            let export = Sample.id()
            let new = [Sample.message("a", of: id, export), Sample.message("b", of: id, at: 5)]
            examination.expect(try await ledger.add(new, to: id, position: (7, 9, 1)), "from the present position")
            examination.expect(try await ledger.webhook(id)?.position == 9, "which moves")
            let late = try await ledger.add([Sample.message("c", of: id)], to: id, position: (7, 10, 1))
            examination.expect(!late, "not from another one")
            examination.expect(try await ledger.webhook(id)?.position == 9, "which does not move it")
            examination.expect(try await ledger.add([], to: id, position: (9, 12, 1)), "also without messages")
            examination.expect(try await ledger.webhook(id)?.position == 12, "which move it")
            _ = try await ledger.updateWebhook(id) { $0.revision = 2 }
            let outdated = try await ledger.add([Sample.message("c", of: id)], to: id, position: (12, 13, 1))
            examination.expect(!outdated, "not for a webhook that was changed")
            examination.expect(try await ledger.webhook(id)?.position == 12, "which does not move it either")
            let unknown = Sample.id()
            examination.expect(try await !ledger.add([("d", nil)], to: unknown), "not for an unknown webhook")
            let stored = try await ledger.all(of: id)
            let places = stored.map(\.number)
            examination.expect(places.count == 2 && places[0] > 0 && places[0] < places[1], "they are numbered")
            let unnumbered = stored.map { message in
                var message = message
                message.number = 0
                return message
            }
            examination.expect(unnumbered == new, "they come back as they were written")
        },
        LedgerCase("a message is stored once") { examination in
            let ledger = examination.ledger
            let (id, other) = (try await ledger.id(of: Sample.webhook()), try await ledger.id(of: Sample.webhook(1)))
            try await ledger.add([("a", nil), ("a", Sample.id()), ("b", nil)], to: id)
            let before = try await ledger.all(of: id)
            examination.expect(before.names == ["a", "b"], "also within one call")
            examination.expect(before.first?.exportID == nil, "the first counts")
            if let claimed = try await ledger.claim(at: 1).first { try await ledger.end(claimed, .delivered) }
            let delivered = try await ledger.message("a", of: id)
            examination.expect(try await ledger.add([("a", nil), ("c", nil)], to: id), "the others are stored")
            examination.expect(try await ledger.message("a", of: id) == delivered, "it is left as it is")
            examination.expect(try await ledger.all(of: id).names == ["a", "b", "c"], "and has no double")
            try await ledger.add([("a", nil)], to: other)
            examination.expect(try await ledger.all(of: other).names == ["a"], "an id belongs to one webhook")
        },
        LedgerCase("pages of messages are newest first") { examination in
            let ledger = examination.ledger
            let id = try await ledger.id(of: Sample.webhook())
            try await ledger.add((0..<7).map { ("\($0)", Sample.id($0)) }, to: id)
            for message in try await ledger.claim(at: 1, limit: 7) where message.number % 2 == 0 {
                try await ledger.end(message, message.number % 4 == 0 ? .delivered : .failed)
            }
            let all: [WebhookMessage] = try await ledger.all(of: id).reversed()
            examination.expect(all.count == 7, "all are there")
            for (state, before, limit) in [
                (nil, nil, 3), (nil, all.dropFirst(2).first?.number, 3), (nil, nil, 0), (.failed, nil, 1),
                (.failed, nil, 9), (.delivered, all.first?.number, 9), (.pending, all.dropFirst(3).first?.number, 2),
            ] as [(WebhookMessage.State?, Int64?, Int)] {
                let page = try await ledger.messages(of: id, state: state, before: before, limit: limit)
                let wanted = all.filter { $0.state == state ?? $0.state && $0.number < before ?? .max }.prefix(limit)
                let place = "\(limit) before \(before.map { "\($0)" } ?? "none")"
                examination.expect(page == Array(wanted), "\(place) that are \(state?.rawValue ?? "any")")
            }
            let unknown = try await ledger.messages(of: Sample.id(), state: nil, before: nil, limit: 9)
            examination.expect(unknown == nil, "an unknown webhook has none")
            examination.expect(try await ledger.message("9", of: id) == nil, "an unknown message is not there")
        },
        LedgerCase("what has ended is replayed in its place") { examination in
            let ledger = examination.ledger
            let id = try await ledger.id(of: Sample.webhook())
            let export = Sample.id()
            try await ledger.add([("a", export)], to: id, at: 0)
            try await ledger.add([("b", export)], to: id, at: 10)
            try await ledger.add([("c", export), ("d", nil)], to: id, at: 20)
            for state in [WebhookMessage.State.delivered, .failed] {
                for message in try await ledger.claim(at: 20) { try await ledger.end(message, state) }
            }
            // Now a and d were delivered, b has failed, and c is the next.
            let third = try await ledger.claim(at: 30).first
            examination.expect(third?.id == "c", "the last of the export is claimed")
            let none = try await ledger.replay(of: id, messageID: "c", since: nil, dueAt: Sample.time(40))
            examination.expect(none == 0, "what is pending is not replayed")
            let later = try await ledger.replay(of: id, messageID: nil, since: Sample.time(11), dueAt: Sample.time(40))
            examination.expect(later == 0, "none that is older than asked for")
            let failed = try await ledger.replay(of: id, messageID: nil, since: Sample.time(10), dueAt: Sample.time(40))
            examination.expect(failed == 1, "the failed ones")
            let one = try await ledger.replay(of: id, messageID: "a", since: nil, dueAt: Sample.time(50))
            examination.expect(one == 1, "one that was delivered")
            let first = try await ledger.message("a", of: id)
            examination.expect(first?.state == .pending && first?.attempts == 0, "it is as a new one")
            examination.expect(first?.dueAt == Sample.time(50), "it is due when it was asked for")
            examination.expect(try await ledger.claim(at: 49).isEmpty, "nothing comes before it")
            examination.expect(try await ledger.nextMessage(perWebhook: 9) == Sample.time(50), "it is the next")
            if let third { examination.expect(try await ledger.end(third, .pending, dueAt: 45), "a claim can end") }
            for (name, seconds) in [("a", 100), ("b", 101), ("c", 102)] {
                let claimed = try await ledger.claim(at: seconds)
                examination.expect(claimed.names == [name], "\(name) comes in its turn")
                for message in claimed { try await ledger.end(message, .delivered) }
            }
        },
        LedgerCase("a replay leaves claims alone") { examination in
            let ledger = examination.ledger
            let id = try await ledger.id(of: Sample.webhook())
            let export = Sample.id()
            try await ledger.add([("a", export), ("b", export)], to: id)
            for message in try await ledger.claim(at: 1) { try await ledger.end(message, .failed) }
            _ = try await ledger.claim(at: 2)
            _ = try await ledger.replay(of: id, messageID: "a", since: nil, dueAt: Sample.time(3))
            examination.expect(try await ledger.claim(at: 4, perWebhook: 1).isEmpty, "a claim still counts")
            let first = try await ledger.claim(at: 5, perWebhook: 2)
            examination.expect(first.names == ["a"], "the earlier one is claimed besides")
            examination.expect(try await ledger.claim(at: 63).isEmpty, "a claim that has run out waits for it")
            for message in first { try await ledger.end(message, .delivered) }
            let second = try await ledger.claim(at: 64)
            examination.expect(second.names == ["b"] && second.first?.attempts == 2, "then its turn comes again")
        },
        LedgerCase("many are replayed in their order") { examination in
            let ledger = examination.ledger
            let id = try await ledger.id(of: Sample.webhook())
            try await ledger.add((0..<1_100).map { ("\($0)", Sample.id($0)) }, to: id)
            try await withThrowingTaskGroup(of: Void.self) { group in
                for message in try await ledger.claim(at: 1, limit: 9_999, perWebhook: 9_999) {
                    group.addTask { try await ledger.end(message, .failed) }
                }
                try await group.waitForAll()
            }
            let count = try await ledger.replay(of: id, messageID: nil, since: nil, dueAt: Sample.time(9))
            examination.expect(count == 1_100, "all are")
            let claimed = try await ledger.claim(at: 9, limit: 9_999, perWebhook: 9_999)
            examination.expect(claimed.names == (0..<1_100).map { "\($0)" }, "each is due once")
        },
        LedgerCase("old messages are pruned") { examination in
            let ledger = examination.ledger
            let id = try await ledger.id(of: Sample.webhook())
            try await ledger.add((0..<5).map { ("\($0)", Sample.id($0)) }, to: id)
            for message in try await ledger.claim(at: 1) {
                let seconds = Int(message.id) ?? 0
                guard seconds < 4 else { continue }
                try await ledger.end(message, seconds % 2 == 0 ? .delivered : .failed, at: 10 + seconds)
            }
            examination.expect(try await ledger.pruneMessages(before: Sample.time(10), limit: 9) == 0, "none too early")
            let two = try await ledger.pruneMessages(before: Sample.time(13), limit: 2)
            examination.expect(two == 2, "as many as asked for")
            examination.expect(try await ledger.all(of: id).names == ["2", "3", "4"], "the oldest first")
            examination.expect(try await ledger.pruneMessages(before: Sample.time(13), limit: 9) == 1, "the rest")
            let left = try await ledger.all(of: id).names
            examination.expect(left == ["3", "4"], "not what ended then, and not what is pending")
        },
    ]
}
