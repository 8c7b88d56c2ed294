import Exports
import ServiceLifecycle

/// Holds a request until its export changes: `Prefer: wait` (RFC 7240, 4.3).
struct ChangeWait: Sendable {
    let service: any ExportService

    /// The export as it is after a change, or as it was: when the time is over, when the client is gone, and when the
    /// gateway drains, so that no wait holds a shutdown up.
    func changed(from export: Export, within wait: Duration, for call: Call) async throws -> Export {
        let presence = await ConnectionHandler.presence(on: call.channel)
        let service = service
        return try await withThrowingTaskGroup(of: Export?.self) { group in
            group.addTask {
                try await service.export(
                    export.id,
                    owner: call.caller.owner,
                    changedFrom: export.revision,
                    within: wait
                )
            }
            if let presence {
                group.addTask {
                    await presence.untilGone()
                    return nil
                }
            }
            group.addTask {
                try? await gracefulShutdown()
                return nil
            }
            // The others are cancelled and awaited before this returns, whichever of them is first.
            defer { group.cancelAll() }
            return try await group.next().flatMap { $0 } ?? export
        }
    }
}
