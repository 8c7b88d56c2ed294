public import Exports
public import Webhooks

/// Where webhooks and their messages are stored: the ledger. Each operation is atomic, and durable when it returns. All throw
/// `LedgerError`, or `CancellationError` when the task is cancelled; nothing was changed then.
///
/// The changes of exports are stored in the transactions that make them (``ExportLedger/events(after:limit:)``). Each webhook has
/// a position in them; changes after it become messages in the transaction that moves the position. So no change is lost, whenever
/// a process is killed.
public protocol WebhookStore: Sendable {
    /// Stores a new webhook. False where its owner has `limit` already; nothing is stored then.
    func insert(_ webhook: Webhook, limit: Int) async throws -> Bool

    /// Nil for an unknown id.
    func webhook(_ id: ExportID) async throws -> Webhook?

    /// One page in the order of ids: those after `after`, at most `limit`; nil as owner for those of all callers.
    func webhooks(of owner: String?, after: ExportID?, limit: Int) async throws -> [Webhook]

    /// Reads a webhook, calls `change` on it, and writes it back, in one transaction. Nil for an unknown id. What `change` throws
    /// is thrown here, and nothing was changed. `change` must not change id, owner or position: such a change is not made, and throws
    /// `LedgerError` (`corrupt`).
    func updateWebhook(
        _ id: ExportID,
        _ change: @escaping @Sendable (inout Webhook) throws -> Void
    ) async throws -> Webhook?

    /// Deletes a webhook with its messages. False for an unknown id. No call finds any of them afterwards. Of more than 1,000 messages,
    /// the rows of the others are deleted by ``pruneMessages(before:limit:)``.
    func deleteWebhook(_ id: ExportID) async throws -> Bool

    /// Stores messages of one webhook as pending ones without attempts, numbered in their order, and moves its position, in one
    /// transaction. Messages whose id is stored already are left as they are. With `position`, false where the webhook's position is
    /// not `from` any more, because another replica was faster, or where it has another revision, because its owner has changed what
    /// it gets; nothing is stored then. False for an unknown webhook.
    func add(
        _ messages: [WebhookMessage],
        to id: ExportID,
        position: (from: Int64, to: Int64, revision: Int64)?
    ) async throws -> Bool

    /// The enabled webhooks of which something can be claimed at `now` with this `perWebhook`, at most `limit`: those whose messages
    /// became due first.
    func claimableWebhooks(at now: Timestamp, perWebhook: Int, limit: Int) async throws -> [ClaimableWebhook]

    /// Claims messages that are due at `now` or before, of enabled webhooks, in the order in which they became due: of each webhook at
    /// most so many as `places` says, and at most `perWebhook` together with those whose claim has not run out. Of each export, and
    /// of the events of a webhook itself, only the pending message with the lowest number can be claimed. Of two calls at once, from
    /// any number of processes, each message is given to one. A call may return less than could be claimed, when another one claims
    /// at the same time.
    ///
    /// What is claimed is due again at `until`, which is its `dueAt`, unless the claim ends with `end` before: the process may be
    /// killed. `attempts` is increased by one. A message that cannot be read is claimed and not returned: a newer version, which can
    /// read it, may get it next. After ``WebhookQueue/unreadableClaims`` claims it is given up, with
    /// `WebhookAttemptError.unreadable`, so that those that wait for it are sent.
    func claimMessages(
        of places: [ExportID: Int],
        at now: Timestamp,
        until: Timestamp,
        perWebhook: Int
    ) async throws -> [WebhookMessage]

    /// Ends a claim: calls `change` on the message, as it is given, and on its webhook, as it is stored, and stores of the message
    /// `state`, `dueAt` and what the last attempt gave, in one transaction. For the webhook, `change` must keep to the rules of
    /// `updateWebhook`. `dueAt` counts for a pending message only, which must have one.
    ///
    /// False where the message is gone, is not claimed, or was claimed again since (`attempts` differs); nothing is stored then. A
    /// claim that has run out can be ended as long as nobody has claimed the message again.
    func end(
        _ message: WebhookMessage,
        _ change: @escaping @Sendable (inout WebhookMessage, inout Webhook) -> Void
    ) async throws -> Bool

    /// When the next message of an enabled webhook can be claimed with this `perWebhook`, if nothing is stored, ended or changed before:
    /// when it is due, or, where its webhook has as many claims as it may have, when the first of these runs out. Nil where there is
    /// none.
    func nextMessage(perWebhook: Int) async throws -> Timestamp?

    /// One page of a webhook's messages, newest first: those with lower numbers than `before`, at most `limit`; with a state, only
    /// those in it. Nil for an unknown webhook.
    func messages(
        of id: ExportID,
        state: WebhookMessage.State?,
        before: Int64?,
        limit: Int
    ) async throws -> [WebhookMessage]?

    /// One message; nil where there is none.
    func message(_ messageID: String, of id: ExportID) async throws -> WebhookMessage?

    /// Makes messages that are not pending due again at `dueAt`, with attempts 0: the one with `messageID`, or without it all failed
    /// ones whose time is `since` or later. Returns how many. They keep their numbers, so that they come before later ones of their
    /// export.
    ///
    /// Without `messageID` it is done in parts of 1,000, each of which is atomic: a failure leaves those after it as they were.
    func replay(
        of id: ExportID,
        messageID: String?,
        since: Timestamp?,
        dueAt: Timestamp
    ) async throws -> Int

    /// How many messages of each webhook are pending, whatever its state. Webhooks without any are left out.
    func pendingMessages() async throws -> [ExportID: WebhookBacklog]

    /// Gives up pending messages of a webhook whose `time` is before `time`, at most `limit`, also those that are claimed: they become
    /// `failed`, with `error` as their last error. The claim of one that was claimed cannot be ended any more. Returns how many: none
    /// where the webhook is enabled, or has another revision, because its owner may want them sent.
    func giveUpMessages(
        of id: ExportID,
        revision: Int64,
        before time: Timestamp,
        error: String,
        limit: Int
    ) async throws -> Int

    /// Deletes messages that are not pending and whose last attempt, or without one their time, was before `time`, and what is left of
    /// deleted webhooks: at most `limit`. Returns how many.
    func pruneMessages(before time: Timestamp, limit: Int) async throws -> Int

    /// The ids of successes with files that expire after `now` and at `time` or before, of which at least one file was never delivered
    /// whole, in the order of expiry and id: those that expire after `after` (an expiry and an id), at most `limit`.
    ///
    /// A file was delivered by a whole delivery of all its bytes to a caller, and by one of all files in an archive. Parts of a file do
    /// not count, and neither do the gateway's own measurements. An export that cannot be read is left out.
    func expiringUndelivered(
        now: Timestamp,
        by time: Timestamp,
        after: (expiry: Timestamp, id: ExportID)?,
        limit: Int
    ) async throws -> [ExportID]
}

/// The pending messages of a webhook.
public struct WebhookBacklog: Sendable, Hashable {
    public var count: Int
    /// The `time` of the oldest one.
    public var oldest: Timestamp

    /// Makes a backlog.
    public init(count: Int, oldest: Timestamp) { (self.count, self.oldest) = (count, oldest) }
}

/// A webhook that has messages which can be claimed.
public struct ClaimableWebhook: Sendable, Hashable {
    public var id: ExportID
    /// The caller who made it.
    public var owner: String

    /// Names a webhook and its owner.
    public init(id: ExportID, owner: String) { (self.id, self.owner) = (id, owner) }
}
