public import Exports

/// The recipient of a download, and where its outcome is recorded.
public struct Recipient: Sendable {
    /// The authenticated caller.
    public var caller: String
    /// The request's id.
    public var requestID: String
    /// Called and awaited twice for each body that is begun: before its first byte is sent, with the outcome `underWay`, and
    /// with the same id when it has ended, with any outcome. For a file that is refused because of its contents it is called
    /// once, as ended. Never called in a cancelled task.
    public var record: @Sendable (Delivery) async -> Void

    /// Names a recipient.
    public init(caller: String, requestID: String, record: @escaping @Sendable (Delivery) async -> Void) {
        self.caller = caller
        self.requestID = requestID
        self.record = record
    }
}
