import Exports
import Synchronization

extension FakeExportService {
    func setRetained(
        _ isRetained: Bool,
        _ id: ExportID,
        for viewer: Viewer
    ) async throws(GatewayError) -> Export {
        try fail()
        let known = try known(id, viewer)
        state.withLock { state in
            state.viewers.append(viewer)
            state.effects.append(isRetained ? "retained" : "released")
        }
        if (known.retainedAt != nil) != isRetained { change(id) { $0.retainedAt = isRetained ? time.now() : nil } }
        return try self.known(id, viewer)
    }

    func purge(_ id: ExportID, for viewer: Viewer) async throws(GatewayError) {
        try fail()
        let known = try known(id, viewer)
        state.withLock { $0.viewers.append(viewer) }
        let obstacle: PurgeObstacle? =
            state.withLock { $0.obstacle } ?? (known.retainedAt != nil ? .retained : known.isFinal ? nil : .unfinished)
        if let obstacle { throw GatewayError(.notPurgeable, "It stays.", members: .obstacle(obstacle)) }
        state.withLock { state in
            state.effects.append("purged")
            state.purge(known, at: time.now())
        }
        news.tell()
    }
}
