import ExportLedger
import Exports

/// Whose messages are sent next, where more are due than can be sent at a time. No I/O.
///
/// A place that is free goes to the owner of webhooks who has the fewest; among owners who have as many, in turns. So a caller whose
/// receivers are slow does not take the places of the others, and where nobody else has anything due, it may have all of them.
struct SendingPlaces: Sendable {
    private var taken: [String: Int] = [:]
    private var turns = FairTurns<String>()
    /// How many places are taken.
    private(set) var count = 0

    /// An attempt to send a message of an owner's webhook begins.
    mutating func take(_ owner: String) {
        count += 1
        taken[owner, default: 0] += 1
        turns.served(owner, weight: 1)
    }

    /// An attempt has ended.
    mutating func giveBack(_ owner: String) {
        count -= 1
        let left = taken[owner, default: 1] - 1
        taken[owner] = left > 0 ? left : nil
    }

    /// How many of the free places each webhook gets, if it has as many messages: at most `perWebhook`. The webhooks of one owner take
    /// turns in the order in which they are given.
    func shares(of free: Int, among webhooks: [ClaimableWebhook], perWebhook: Int) -> [ExportID: Int] {
        var (next, shares) = (self, [ExportID: Int]())
        var waiting: [String: [ExportID]] = [:]
        var owners: [String] = []
        for webhook in webhooks {
            if waiting[webhook.owner] == nil { owners.append(webhook.owner) }
            waiting[webhook.owner, default: []].append(webhook.id)
        }
        for _ in 0..<max(0, free) {
            let owner = owners.min { left, right in
                // Of equals, `min` takes the first.
                (next.taken[left, default: 0], next.turns.begin(left))
                    < (next.taken[right, default: 0], next.turns.begin(right))
            }
            guard let owner, let id = waiting[owner]?.removeFirst() else { break }
            next.take(owner)
            shares[id, default: 0] += 1
            if shares[id, default: 0] < perWebhook { waiting[owner]?.append(id) }
            if waiting[owner]?.isEmpty == true { owners.removeAll { $0 == owner } }
        }
        return shares
    }
}
