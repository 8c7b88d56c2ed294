import ExportLedger
import Exports
import Synchronization

/// How many messages of each webhook are pending, about: as the ledger had them last, and what was added since.
final class WebhookBacklogs: Sendable {
    private struct State {
        var counted: [ExportID: WebhookBacklog] = [:]
        var added: [ExportID: Int] = [:]
    }

    private let state = Mutex(State())

    func count(of id: ExportID) -> Int {
        state.withLock { ($0.counted[id]?.count ?? 0) + $0.added[id, default: 0] }
    }

    func added(_ count: Int, to id: ExportID) { state.withLock { $0.added[id, default: 0] += count } }

    /// The ledger was asked.
    func counted(_ backlogs: [ExportID: WebhookBacklog]) {
        state.withLock { $0 = State(counted: backlogs) }
    }
}
