import Exports
import Pacing
import Synchronization

// What a call waits for before it is made: its place in the request budget, and hosts that have asked for a pause.
extension UpstreamClient {
    /// Waits for a place in the budget; refuses while the breaker is open. Nil for a call that needs no place.
    func pass(_ request: UpstreamRequest, _ context: CallContext) async throws(ProviderError) -> CallBudget
        .Place?
    {
        // The task was cancelled before the call began, so nothing was sent.
        guard !Task.isCancelled else {
            throw ProviderError(.transient, "The call was cancelled.", cause: CancellationError())
        }
        guard request.isPaced else { return nil }
        let place: CallBudget.Place
        do throws(CallBudget.Refusal) {
            place = try await self.place(for: request, context)
        } catch {
            throw refused(error, request)
        }
        guard let rest = breaker.withLock({ $0.request(at: time.now(), isHarmless: request.method == .get) }) else {
            context.series?.calls(place.order, after: place.waited)
            return place
        }
        budget.giveBack(place)
        throw ProviderError(
            .transient,
            "\(request.url.host) failed repeatedly and is left alone for a while.",
            retryAfter: rest
        )
    }

    private func place(
        for request: UpstreamRequest,
        _ context: CallContext
    ) async throws(CallBudget.Refusal) -> CallBudget.Place {
        var call = PacedCall(
            context.priority,
            host: Self.hold(request),
            caller: context.caller,
            weight: context.weight,
            work: context.work,
            patience: context.patience ?? settings.patience
        )
        guard let order = context.series?.order else { return try await budget.place(for: call) }
        if call.priority == .caller {
            do throws(CallBudget.Refusal) {
                return try await budget.place(for: call)
            } catch {
                guard case .queued = error else { throw error }
                // The caller has waited long enough and does not wait any more. The rest of the work continues with the lowest
                // priority.
                call.priority = .poll
            }
        }
        call.continues = order
        call.patience = BudgetState.longestWait
        return try await budget.place(for: call)
    }

    /// The error of a call that has no place. With `held`, the upstream has asked to wait; with `queued`, the gateway's own
    /// budget is used up.
    private func refused(_ refusal: CallBudget.Refusal, _ request: UpstreamRequest) -> ProviderError {
        switch refusal {
        case .queued(let place, let wait):
            var error = ProviderError(
                .throttled,
                "The gateway's own request budget of the connection \"\(settings.connection)\" is used up for now. "
                    + "The call is number \(place.position) of those that wait for it; the upstream was not asked.",
                problem: .queued,
                retryAfter: wait
            )
            error.queue = place
            return error
        case .held(let rest): return asksToWait(request, rest)
        case .cancelled: return ProviderError(.transient, "The call was cancelled.", cause: CancellationError())
        }
    }

    private func asksToWait(_ request: UpstreamRequest, _ rest: Duration) -> ProviderError {
        ProviderError(.throttled, "\(request.url.host) has asked to wait before the next call.", retryAfter: rest)
    }

    /// The name of the calls that a `Retry-After` delays: those of one kind to one host.
    static func hold(_ request: UpstreamRequest) -> String {
        (request.isPaced ? "api " : "files ") + request.url.origin
    }

    /// Waits while a download host has asked for a pause. The pause is only for downloads from that host.
    func waitForHost(_ request: UpstreamRequest, _ context: CallContext) async throws(ProviderError) {
        guard let rest = budget.hold(of: Self.hold(request)) else { return }
        guard rest <= context.patience ?? settings.patience else { throw asksToWait(request, rest) }
        try await pause(rest)
    }

    func pause(_ duration: Duration) async throws(ProviderError) {
        guard duration > .zero else { return }
        do {
            try await time.sleep(for: duration)
        } catch {
            throw ProviderError(.transient, "The call was cancelled.", cause: error)
        }
    }
}
