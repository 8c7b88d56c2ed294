import Exports

/// Makes the contexts of calls upstream.
struct CallContexts: Sendable {
    let time: any TimeSource
    let random: Randomness
    let weights: CallerWeights

    /// The context for one piece of work upstream, for one export, or with nil for many. A call that a caller's request waits for
    /// has no `refreshToken`. `patience` is the longest wait for a place in the request budget.
    func context(
        _ priority: CallPriority,
        for export: Export?,
        authorization: Secret?,
        downloadAuthorization: Secret? = nil,
        refreshToken: (any RefreshTokenStore)? = nil,
        patience: Duration? = nil
    ) -> CallContext {
        var context = CallContext(
            requestID: random.newID(at: time.now()).description,
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
}
