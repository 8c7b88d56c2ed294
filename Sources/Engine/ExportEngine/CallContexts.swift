import Exports

/// Makes the contexts of calls upstream.
struct CallContexts: Sendable {
    let time: any TimeSource
    let random: Randomness
    let weights: CallerWeights

    /// The context for one piece of work upstream, for one export, or with nil for many. A call that a caller's request waits for
    /// has no `refreshToken`. `patience` is the longest wait for a place in the request budget. The upstream is shown the id of that
    /// request, as far as `guid(of:)` can.
    func context(
        _ priority: CallPriority,
        for export: Export?,
        authorization: Secret?,
        downloadAuthorization: Secret? = nil,
        refreshToken: (any RefreshTokenStore)? = nil,
        patience: Duration? = nil,
        requestID: String? = nil
    ) -> CallContext {
        var context = CallContext(
            requestID: requestID.flatMap(Self.guid) ?? random.newID(at: time.now()).description,
            authorization: authorization,
            downloadAuthorization: downloadAuthorization,
            refreshToken: refreshToken
        )
        context.priority = priority
        context.caller = export?.createdBy
        context.weight = export.map { weights.weight(of: $0.createdBy) } ?? 1
        context.work = export.map { .export($0.id) }
        context.patience = patience
        return context
    }

    /// A request's id in the form that upstreams expect of `client-request-id`, a GUID
    /// (https://learn.microsoft.com/graph/best-practices-concept#reliability-and-support): a GUID as it is, and the 16 digits that the
    /// gateway makes as the last ones of a GUID. Nil for any other id.
    static func guid(of requestID: String) -> String? {
        if UUIDText.isValid(requestID) { return requestID.lowercased() }
        guard requestID.utf8.count == 16, requestID.utf8.allSatisfy({ UUIDText.isHexDigit($0) }) else { return nil }
        return "00000000-0000-0000-\(requestID.prefix(4))-\(requestID.dropFirst(4))".lowercased()
    }
}
