import JSON

extension WebhookMessage {
    /// Whether a caller may see what it tells: it is about the webhook itself, or about an export that the caller may see. False where
    /// its body does not say whose the export is.
    public func isVisible(to caller: String, seesAll: Bool) -> Bool {
        guard exportID != nil, !seesAll else { return true }
        return data?["createdBy"]?.string == caller
    }

    /// The revision of the export that it tells of; nil for an event of the webhook itself.
    public var revision: Int64? { data?["revision"]?.integer }

    /// The event's own members.
    private var data: JSONValue? {
        // What the body is not made of is not there.
        (try? JSONValue(parsing: body))?["data"]
    }
}
