import Exports

/// The exports that were purged last: what was read or announced before they were is not kept, however late it comes.
struct PurgedExports: Sendable {
    /// More than are purged while a read is under way, or a commit waits to be announced.
    static let limit = 16_384

    private var ids: Set<ExportID> = []
    /// The ids in the order in which they were added, in a ring.
    private var ring: [ExportID] = []
    private var oldest = 0

    func contains(_ id: ExportID) -> Bool { !ids.isEmpty && ids.contains(id) }

    mutating func insert(_ id: ExportID) {
        guard ids.insert(id).inserted else { return }
        guard ring.count == Self.limit else { return ring.append(id) }
        ids.remove(ring[oldest])
        ring[oldest] = id
        oldest = (oldest + 1) % Self.limit
    }
}
