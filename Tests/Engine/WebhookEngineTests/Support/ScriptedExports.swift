import Exports
import JSON
import Synchronization

/// Exports and their changes, as a test makes them.
final class ScriptedExports: ChangeService {
    struct State {
        var exports: [ExportID: Export] = [:]
        var changes: [ExportChange] = []
        /// The positions of changes that cannot be read.
        var unreadable: Set<Int64> = []
        /// The exports whose rows cannot be read.
        var damaged: Set<ExportID> = []
        var reads = 0
        var random = SystemRandomNumberGenerator()
    }

    let state = Mutex(State())
    private let news = ChangeNews()
    private let time: any TimeSource

    init(time: any TimeSource) { self.time = time }

    /// Creates an export.
    func create(by owner: String = "alice", provider: String = "power-bi", connection: String = "contoso") -> ExportID {
        let id = state.withLock { state in
            let id = ExportID(at: time.now(), random: &state.random)
            let export = Export(
                id: id,
                provider: ProviderID(provider),
                connection: connection,
                name: "Sales",
                createdAt: time.now(),
                createdBy: owner,
                source: [:]
            )
            state.exports[id] = export
            state.changes.append(ExportChange(position: Int64(state.changes.count + 1), export, after: nil))
            return id
        }
        news.tell()
        return id
    }

    /// Changes an export, which gets another revision.
    func change(_ id: ExportID, _ change: (inout Export) -> Void) {
        state.withLock { state in
            guard let before = state.exports[id] else { return }
            var export = before
            change(&export)
            export.revision += 1
            export.updatedAt = time.now()
            state.exports[id] = export
            state.changes.append(ExportChange(position: Int64(state.changes.count + 1), export, after: before))
        }
        news.tell()
    }

    /// Ends an export.
    func end(_ id: ExportID, _ status: ExportStatus = .succeeded) {
        change(id) { export in
            export.status = status
            export.completedAt = time.now()
        }
    }

    func changeRange() async throws(GatewayError) -> ChangeRange {
        state.withLock { ChangeRange(first: $0.changes.first?.position, last: $0.changes.last?.position ?? 0) }
    }

    func changes(after position: Int64, limit: Int) async throws(GatewayError) -> ChangePage {
        state.withLock { state in
            state.reads += 1
            let page = state.changes.filter { $0.position > position }.prefix(limit)
            let readable = page.filter { !state.unreadable.contains($0.position) }
            return ChangePage(
                changes: Array(readable),
                through: page.last?.position ?? position,
                hasMore: page.count == limit,
                isIncomplete: readable.count < page.count
            )
        }
    }

    func presentExport(_ id: ExportID, for viewer: Viewer) async throws(GatewayError) -> Export {
        let found = state.withLock { $0.damaged.contains(id) ? nil : $0.exports[id] }
        guard let found else { throw GatewayError(.internalError, "a test has it fail") }
        return found
    }

    func export(after change: ExportChange) async throws(GatewayError) -> Export? {
        state.withLock { $0.damaged.contains(change.exportID) ? nil : $0.exports[change.exportID] }
    }

    func onChanges(_ tell: @escaping @Sendable () -> Void) -> ChangeObservation { news.observe(tell) }
}
