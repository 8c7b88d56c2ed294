public import Exports

/// Who gets a download, and where what became of it is written down.
public struct Recipient: Sendable {
    /// The authenticated caller.
    public var caller: String
    /// The request's id.
    public var requestID: String
    /// Called twice for each body that is begun, and awaited: before its first byte goes out, with the outcome `underWay`; and
    /// with the same id when it has ended in whatever way. Called once, as ended, for a file that is refused because of
    /// what was found of it. Never called in a cancelled task.
    public var record: @Sendable (Delivery) async -> Void

    /// Names a recipient.
    public init(caller: String, requestID: String, record: @escaping @Sendable (Delivery) async -> Void) {
        self.caller = caller
        self.requestID = requestID
        self.record = record
    }
}
