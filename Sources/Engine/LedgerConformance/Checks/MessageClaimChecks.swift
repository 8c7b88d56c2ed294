import ExportLedger
import Exports
import Webhooks

extension LedgerCase {
    static let messageClaims = [
        LedgerCase("messages of one export are claimed in their order") { examination in
            let ledger = examination.ledger
            let id = try await ledger.id(of: Sample.webhook())
            let (first, second) = (Sample.id(), Sample.id(1))
            // The later ones are due before the first.
            try await ledger.add([("a1", first)], to: id, at: 5)
            try await ledger.add([("a2", first), ("b1", second), ("w1", nil), ("w2", nil), ("a3", first)], to: id)
            examination.expect(try await ledger.claim(at: 4).names == ["b1", "w1"], "none overtakes an earlier one")
            let claimed = try await ledger.claim(at: 5)
            examination.expect(claimed.names == ["a1"], "the first of an export is claimed")
            examination.expect(try await ledger.claim(at: 6).isEmpty, "the next waits for its end")
            if let one = claimed.first { try await ledger.end(one, .pending, dueAt: 20) }
            examination.expect(try await ledger.claim(at: 19).isEmpty, "and for the next attempt")
            for message in try await ledger.claim(at: 20) { try await ledger.end(message, .delivered) }
            let next = try await ledger.claim(at: 21)
            examination.expect(next.names == ["a2"], "it comes after a delivery")
            for message in next { try await ledger.end(message, .failed) }
            examination.expect(try await ledger.claim(at: 22).names == ["a3"], "and after the one before was given up")
        },
        LedgerCase("messages are claimed as they became due") { examination in
            let ledger = examination.ledger
            let (id, other) = (try await ledger.id(of: Sample.webhook()), try await ledger.id(of: Sample.webhook(1)))
            for (name, webhook, seconds) in [("c", id, 3), ("a", other, 1), ("d", id, 4), ("b", id, 2)] {
                try await ledger.add([(name, Sample.id())], to: webhook, at: seconds)
            }
            examination.expect(try await ledger.claim(at: 0).isEmpty, "none before its time")
            let first = try await ledger.claim(at: 3, limit: 2)
            examination.expect(first.names == ["a", "b"], "as many as asked for, the first due first")
            examination.expect(first.allSatisfy { $0.attempts == 1 }, "the attempt is counted")
            examination.expect(first.allSatisfy { $0.dueAt == Sample.time(63) }, "it runs out when it was asked to")
            let stored = try await ledger.message("b", of: id)
            examination.expect(stored == first.last, "that is stored")
            examination.expect(try await ledger.claim(at: 3).names == ["c"], "what is claimed is not claimed again")
            examination.expect(try await ledger.claim(at: 4, limit: 0).isEmpty, "none where none is asked for")
        },
        LedgerCase("of each webhook so many are claimed as it has places") { examination in
            let ledger = examination.ledger
            let id = try await ledger.id(of: Sample.webhook())
            let other = try await ledger.id(of: Sample.webhook(1, by: "bob"))
            let third = try await ledger.id(of: Sample.webhook(2))
            for (name, webhook, seconds) in [
                ("c", id, 3), ("a", id, 1), ("b", other, 2), ("d", id, 4), ("e", third, 0),
            ] {
                try await ledger.add([(name, Sample.id())], to: webhook, at: seconds)
                try await ledger.add([("\(name) alone", nil)], to: webhook, at: 9)
            }
            func claimable(at seconds: Int, limit: Int = 9) async throws -> [ClaimableWebhook] {
                try await ledger.claimableWebhooks(at: Sample.time(seconds), perWebhook: 9, limit: limit)
            }
            func claim(_ places: [ExportID: Int]) async throws -> [String] {
                let (now, until) = (Sample.time(5), Sample.time(65))
                let claimed = try await ledger.claimMessages(of: places, at: now, until: until, perWebhook: 9)
                return claimed.names
            }
            let all = [(third, "alice"), (id, "alice"), (other, "bob")].map { ClaimableWebhook(id: $0, owner: $1) }
            examination.expect(try await claimable(at: 5) == all, "the first due first, with their owners")
            examination.expect(try await claimable(at: 5, limit: 2) == Array(all[..<2]), "as many as asked for")
            examination.expect(try await claimable(at: 1).map(\.id) == [third, id], "those that are due")
            examination.expect(try await claim([:]).isEmpty, "none without a place")
            examination.expect(try await claim([id: 1, other: 3, third: 0]) == ["a", "b"], "not more than the places")
            examination.expect(try await claimable(at: 5) == Array(all[..<2]), "those that have more due")
        },
        LedgerCase("a webhook has so many claims at once") { examination in
            let ledger = examination.ledger
            let (id, other) = (try await ledger.id(of: Sample.webhook()), try await ledger.id(of: Sample.webhook(1)))
            try await ledger.add((0..<5).map { ("\($0)", Sample.id($0)) }, to: id)
            try await ledger.add([("other", nil)], to: other, at: 1)
            let first = try await ledger.claim(at: 2, perWebhook: 2)
            examination.expect(first.names == ["0", "1", "other"], "another one has its own")
            examination.expect(try await ledger.claim(at: 2, perWebhook: 2).isEmpty, "those of others count")
            examination.expect(try await ledger.claim(at: 2, perWebhook: 3).names == ["2"], "up to the number")
            examination.expect(try await ledger.claim(at: 2, perWebhook: 0).isEmpty, "none where none may be")
            for message in first { try await ledger.end(message, .delivered) }
            examination.expect(try await ledger.claim(at: 2, perWebhook: 2).names == ["3"], "an end gives a place free")
            let late = try await ledger.claim(at: 62, perWebhook: 2)
            examination.expect(late.names == ["4", "2"], "so does a claim that has run out, which comes again")
        },
        LedgerCase("only enabled webhooks' messages are claimed") { examination in
            let ledger = examination.ledger
            let (id, other) = (try await ledger.id(of: Sample.webhook()), try await ledger.id(of: Sample.webhook(1)))
            try await ledger.add([("a", nil)], to: id)
            try await ledger.add([("b", nil)], to: other, at: 5)
            for state in [Webhook.State.disabled, .disabledByGateway] {
                _ = try await ledger.updateWebhook(id) { $0.state = state }
                examination.expect(try await ledger.claim(at: 4).isEmpty, "not while it is \(state.rawValue)")
                let next = try await ledger.nextMessage(perWebhook: 1)
                examination.expect(next == Sample.time(5), "nobody waits for it either")
            }
            _ = try await ledger.updateWebhook(id) { $0.state = .enabled }
            examination.expect(try await ledger.nextMessage(perWebhook: 1) == Sample.time(0), "it is due again")
            examination.expect(try await ledger.claim(at: 4).names == ["a"], "it is claimed again")
        },
        LedgerCase("a claim on a message runs out") { examination in
            let ledger = examination.ledger
            let id = try await ledger.id(of: Sample.webhook())
            try await ledger.add([("a", nil), ("b", nil)], to: id)
            let former = try await ledger.claim(at: 0).first
            examination.expect(try await ledger.nextMessage(perWebhook: 9) == Sample.time(60), "at its time")
            examination.expect(try await ledger.claim(at: 59).isEmpty, "not before")
            let present = try await ledger.claim(at: 60)
            examination.expect(present.names == ["a"] && present.first?.attempts == 2, "then it is claimed again")
            if let former { examination.expect(try await !ledger.end(former, .delivered), "the former claim is void") }
            examination.expect(try await ledger.message("a", of: id) == present.first, "it changes nothing")
            // Nobody has claimed it since.
            for message in present {
                examination.expect(try await ledger.end(message, .delivered), "a late end counts")
            }
            examination.expect(try await ledger.claim(at: 200).names == ["b"], "the next has its turn")
        },
        LedgerCase("a claim ends once, with a change of its webhook") { examination in
            let ledger = examination.ledger
            let id = try await ledger.id(of: Sample.webhook())
            try await ledger.add([("a", nil)], to: id)
            guard var message = try await ledger.claim(at: 0).first else { return examination.report("it is claimed") }
            (message.state, message.dueAt) = (.pending, Sample.time(9))
            (message.lastAttemptAt, message.lastStatus, message.lastError) = (Sample.time(1), 503, "timeout")
            let retry = message
            let isEnded = try await ledger.end(retry) { $1.failingSince = Sample.time(1) }
            examination.expect(isEnded, "it ends")
            examination.expect(try await ledger.message("a", of: id) == retry, "what the attempt gave is stored")
            examination.expect(try await ledger.webhook(id)?.failingSince == Sample.time(1), "with the webhook")
            let again = try await ledger.end(retry) { $1.failingSince = nil }
            examination.expect(!again, "once")
            examination.expect(try await ledger.webhook(id)?.failingSince == Sample.time(1), "the webhook too")
            examination.expect(try await ledger.nextMessage(perWebhook: 1) == Sample.time(9), "it is due when it says")
            guard var last = try await ledger.claim(at: 9).first else { return examination.report("it comes again") }
            await examination.expectError("the webhook's position stays") {
                _ = try await ledger.end(last) { $1.position += 1 }
            }
            await examination.expectError("what is pending is due at some time") {
                try await ledger.end(last, .pending)
            }
            examination.expect(try await ledger.message("a", of: id) == last, "nothing was changed then")
            (last.state, last.dueAt, last.lastStatus, last.lastError) = (.delivered, Sample.time(99), 204, nil)
            let given = last
            _ = try await ledger.end(given) { message, webhook in
                message.lastStatus = webhook.failingSince == nil ? nil : 202
                webhook.failingSince = nil
            }
            (last.dueAt, last.lastStatus) = (nil, 202)
            examination.expect(try await ledger.message("a", of: id) == last, "what has ended is not due")
            let webhook = try await ledger.webhook(id)
            examination.expect(webhook != nil && webhook?.failingSince == nil, "the webhook has recovered")
            examination.expect(try await ledger.claim(at: 999).isEmpty, "it is not claimed any more")
        },
        LedgerCase("the time of the next claim is told") { examination in
            let ledger = examination.ledger
            let id = try await ledger.id(of: Sample.webhook())
            let export = Sample.id()
            examination.expect(try await ledger.nextMessage(perWebhook: 1) == nil, "none where there is nothing")
            try await ledger.add([("a", export)], to: id, at: 10)
            try await ledger.add([("b", export), ("c", nil)], to: id, at: 5)
            examination.expect(try await ledger.nextMessage(perWebhook: 1) == Sample.time(5), "the first of a queue")
            let first = try await ledger.claim(at: 5)
            examination.expect(first.names == ["c"], "that is the one")
            examination.expect(try await ledger.nextMessage(perWebhook: 2) == Sample.time(10), "then the next")
            let full = try await ledger.nextMessage(perWebhook: 1)
            examination.expect(full == Sample.time(65), "with too many claims, when one runs out")
            for message in first { try await ledger.end(message, .delivered) }
            examination.expect(try await ledger.nextMessage(perWebhook: 1) == Sample.time(10), "or ends")
            for message in try await ledger.claim(at: 10) { try await ledger.end(message, .failed) }
            examination.expect(try await ledger.nextMessage(perWebhook: 1) == Sample.time(5), "what waited is due")
            for message in try await ledger.claim(at: 11) { try await ledger.end(message, .failed) }
            examination.expect(try await ledger.nextMessage(perWebhook: 1) == nil, "none when all have ended")
        },
        LedgerCase("a message that cannot be read is given up after ten claims", needs: .damage) { examination in
            let ledger = examination.ledger
            let id = try await ledger.id(of: Sample.webhook())
            let export = Sample.id()
            try await ledger.add([("a", export), ("b", export), ("c", nil)], to: id)
            try await examination.damage(.message("a"))
            for claim in 0..<9 {
                let claimed = try await ledger.claim(at: claim * 60)
                examination.expect(
                    claimed.names == (claim == 0 ? ["c"] : []),
                    "nothing overtakes it in its queue, but \(claimed.names) did in claim \(claim)"
                )
                for message in claimed { try await ledger.end(message, .delivered) }
            }
            examination.expect(try await ledger.claim(at: 540).names == ["b"], "then the next has its turn")
            let backlog = try await ledger.pendingMessages()[id]
            examination.expect(backlog?.count == 1, "it is not pending any more")
            let replayed = try await ledger.replay(of: id, messageID: nil, since: nil, dueAt: Sample.time(700))
            examination.expect(replayed == 1, "it has failed, and can be replayed when it is repaired")
        },
        LedgerCase("a webhook that cannot be read can be deleted", needs: .damage) { examination in
            let ledger = examination.ledger
            let (id, other) = (try await ledger.id(of: Sample.webhook()), try await ledger.id(of: Sample.webhook(1)))
            try await ledger.add([("a", nil)], to: id)
            try await examination.damage(.webhook(id))
            await examination.expectError("it says whose it is", { ($0 as? LedgerError)?.owner == "alice" }) {
                _ = try await ledger.webhook(id)
            }
            let all = try await ledger.webhooks(of: nil, after: nil, limit: 9)
            examination.expect(all.map(\.id) == [other], "lists leave it out")
            examination.expect(try await ledger.deleteWebhook(id), "it is deleted")
            examination.expect(try await ledger.webhook(id) == nil, "it is gone")
            examination.expect(try await ledger.claim(at: 9).isEmpty, "with its messages")
        },
        LedgerCase("of claims at once each message is given to one") { examination in
            try await MessageRun(webhooks: 3, exports: 4, each: 5).examine([examination.ledger], examination.report)
        },
        LedgerCase("a kill leaves messages, positions and claims", needs: .kill) { examination in
            let ledger = examination.ledger
            let id = try await ledger.id(of: Sample.webhook())
            let new = ["a", "b"].map { Sample.message($0, of: id) }
            _ = try await ledger.add(new, to: id, position: (7, 9, 1))
            let claimed = try await ledger.claim(at: 1)
            let next = try await examination.killed()
            examination.expect(try await next.webhook(id)?.position == 9, "the position")
            examination.expect(try await next.all(of: id).names == ["a", "b"], "with its messages")
            examination.expect(try await next.claim(at: 60).isEmpty, "what was claimed is claimed")
            examination.expect(try await next.claim(at: 61).names == claimed.names, "until the claim runs out")
        },
    ]
}
