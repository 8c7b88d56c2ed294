import Exports

extension GatewayClient {
    /// Waits until an export has ended, in whatever way, without asking more often than the gateway answers.
    ///
    /// - Parameters:
    ///   - wantsFiles: Wait on after the end as long as the gateway looks for the files of an export that has succeeded.
    ///   - known: The export as the answer to a create showed it, with its version: then nothing is asked twice.
    ///   - onChange: Called with the first version and with each one after it.
    public func wait(
        for id: String,
        wantsFiles: Bool = false,
        from known: (export: GatewayExport, etag: String?)? = nil,
        onChange: @Sendable (GatewayExport) -> Void
    ) async throws -> GatewayExport {
        var state = WaitState(known?.export, etag: known?.etag, wantsFiles: wantsFiles)
        if let known { onChange(known.export) }
        var step = state.begin
        while true {
            switch step {
            case .ended:
                guard let latest = state.latest else {
                    preconditionFailure("an export that nobody has seen has not ended")
                }
                return latest
            case .ask(let pause):
                if pause > .zero { try await time.sleep(for: pause) }
                step = try await ask(id, &state, onChange)
            }
        }
    }

    private func ask(
        _ id: String,
        _ state: inout WaitState,
        _ onChange: @Sendable (GatewayExport) -> Void
    ) async throws -> WaitState.Step {
        var call = GatewayCall(path: ["exports", id], headers: tokenFields)
        if let etag = state.etag {
            call.headers += [
                ("if-none-match", etag), ("prefer", "wait=\(settings.longestHold.wholeSecondsRoundedUp)"),
            ]
        }
        let answer = try await send(call)
        if answer.status == 304 { return state.unchanged(wasHeld: answer.wasHeld, retryAfter: answer.retryAfter) }
        let export = try answer.export(of: call.label)
        let isNew = export != state.latest
        let step = state.came(export, etag: answer.etag, wasHeld: answer.wasHeld, retryAfter: answer.retryAfter)
        if isNew { onChange(export) }
        return step
    }
}
