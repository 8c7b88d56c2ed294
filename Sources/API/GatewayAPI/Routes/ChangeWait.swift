import Exports
import Memory
import ServiceLifecycle
import Synchronization

/// Holds a request until its export changes: `Prefer: wait` (RFC 7240, 4.3).
struct ChangeWait: Sendable {
    /// A wait that somebody may cut short.
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

    /// Bytes of memory that a request takes while it waits here: its tasks, and what `DirectAnswers.waitCost` counts. Measured, see
    /// the design.
    static let cost = 64 << 10

    let service: any ExportService
    let memory: MemoryBudget

    /// The export as it is after a change, or as it was: when the time is over, when the client is gone, and when the
    /// gateway drains, so that no wait holds a shutdown up. Nil at once where there is no memory left for it: a preference may be
    /// left aside (RFC 7240, 2).
    ///
    /// Thousands may wait at a time: there is one task more for each, and none for each reason to end.
    func changed(from export: Export, within wait: Duration, for call: Call) async throws -> Export? {
        guard let reservation = try? memory.reserve(Self.cost, .wait, for: call.caller.id) else { return nil }
        defer { reservation.release() }
        let presence = await ConnectionHandler.presence(on: call.channel)
        let (service, owner) = (service, call.caller.owner)
        // Awaited here, and cancelled with this task.
        let cut = Cut(
            Task {
                try await service.export(export.id, owner: owner, changedFrom: export.revision, within: wait)
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
