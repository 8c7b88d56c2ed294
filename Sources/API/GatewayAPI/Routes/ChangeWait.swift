import CallerIdentity
import Exports
import Memory
import ServiceLifecycle
import Synchronization

/// Holds a request until its export changes: `Prefer: wait` (RFC 7240, 4.3).
struct ChangeWait: Sendable {
    /// A wait that can be ended early.
    private final class Cut: Sendable {
        private let isMade = Atomic(false)
        let wait: Task<Export, any Error>

        init(_ wait: Task<Export, any Error>) {
            self.wait = wait
        }

        var wasMade: Bool { isMade.load(ordering: .acquiring) }

        func make() {
            isMade.store(true, ordering: .releasing)
            wait.cancel()
        }
    }

    /// The bytes of memory that a request uses while it waits here: its tasks, and what `DirectAnswers.waitCost` counts.
    /// Measured (`Capacity, Memory`).
    static let cost = 64 << 10

    let service: any ExportService
    let memory: MemoryBudget

    /// Returns the export after a change. Returns the former state when the time is over, when the client has left, and when the
    /// gateway drains, so that no wait delays a shutdown. Returns nil at once where there is no memory for the wait: a server may
    /// ignore a preference (RFC 7240, 2). Throws `tooManyRequests` where as many wait for the caller as may.
    ///
    /// Thousands may wait at a time, so there is one more task for each wait, and none for each reason to end it.
    func changed(from export: Export, within wait: Duration, for call: Call) async throws -> Export? {
        let place = try call.callers.limiter.wait(of: call.caller.id)
        guard let reservation = try? memory.reserve(Self.cost, .wait, for: call.caller.id) else { return nil }
        defer {
            place?.giveBack()
            reservation.release()
        }
        let presence = await ConnectionHandler.presence(on: call.channel)
        let (service, viewer) = (service, call.viewer)
        // This task is awaited below, and cancelled together with the current one.
        let cut = Cut(
            Task {
                try await service.export(export.id, for: viewer, changedFrom: export.revision, within: wait)
            }
        )
        do {
            return try await withTaskCancellationHandler {
                try await withGracefulShutdownHandler {
                    guard let presence else { return try await cut.wait.value }
                    return try await presence.whileHere(onLeave: cut.make) { try await cut.wait.value }
                } onGracefulShutdown: {
                    cut.make()
                }
            } onCancel: {
                cut.make()
            }
        } catch {
            guard cut.wasMade else { throw error }
            return export
        }
    }
}
