import Exports
import NIOCore

/// The beginning of a stream, read from the ledger: a snapshot, or what a client has missed.
struct EventOpening: Sendable {
    let service: any ExportService
    let viewer: Viewer
    let scope: EventScope
    let links: Links
    let cursor: Cursor
    /// How many exports a snapshot has at most.
    let limit: Int

    /// How often a page is read again, because a change that came meanwhile cannot be read.
    private static let rereadings = 3

    /// A snapshot, and how far it goes: it has every change up to `through`.
    struct Snapshot: Sendable {
        var text: ByteBuffer
        var through: Int64
        /// Whether the stream ends with it.
        var isOver = false
    }

    /// The state of what the stream is about.
    ///
    /// - Parameters:
    ///   - last: A position whose change was committed before.
    ///   - begun: The stream is told of the changes after this position.
    func snapshot(last: Int64, begun: Int64) async throws(GatewayError) -> Snapshot {
        switch scope {
        case .export(let id): try await snapshot(of: id, last: last, begun: begun)
        case .exports(let filter): try await snapshot(matching: filter, last: last, begun: begun)
        }
    }

    private func snapshot(of id: ExportID, last: Int64, begun: Int64) async throws(GatewayError) -> Snapshot {
        var export = try await service.presentExport(id, for: viewer)
        let through = max(try await service.changeRange().last, begun)
        // What has changed since the export was read.
        let later = try await frames(after: last, through: through)
        for frame in later.frames where frame.change.revision > export.revision {
            // It was purged in between.
            guard let snapshot = frame.snapshot else { throw try await purged(id) }
            export = snapshot.export
        }
        if later.isIncomplete { export = try await service.presentExport(id, for: viewer) }
        let text = text(of: ExportSnapshot(export), at: through)
        return Snapshot(text: text, through: through, isOver: export.isOver)
    }

    /// An export as GET gives it, as an event. Its links are relative to the address of the stream.
    func text(of snapshot: ExportSnapshot, at position: Int64) -> ByteBuffer {
        let origin = links.origin
        let told = snapshot.form { (told: ToldExport) in
            told.origin == origin
        } make: { _ in
            ToldExport(origin: origin, bytes: ExportDocument(links: links).bytes(of: snapshot.export))
        }
        return EventText.event("snapshot", at: position, told.bytes)
    }

    /// An export as streams about it tell it: encoded once for all whose links begin alike.
    private struct ToldExport: Sendable {
        let origin: String
        let bytes: [UInt8]
    }

    /// One page, as GET gives it. Changes that came while it was read follow it. Its position comes after them: a client that is cut
    /// off before has no position, and gets another snapshot.
    private func snapshot(
        matching filter: ExportFilter,
        last: Int64,
        begun: Int64
    ) async throws(GatewayError) -> Snapshot {
        var last = last
        var page = try await service.exports(matching: filter, for: viewer, before: nil, limit: limit)
        var through = max(try await service.changeRange().last, begun)
        var changes = try await frames(after: last, through: through)
        for _ in 0..<Self.rereadings where changes.isIncomplete {
            last = through
            page = try await service.exports(matching: filter, for: viewer, before: nil, limit: limit)
            through = max(try await service.changeRange().last, begun)
            changes = try await frames(after: last, through: through)
        }
        guard !changes.isIncomplete else {
            throw GatewayError(.unavailable, "Changes cannot be read at the moment.", retryAfter: .seconds(5))
        }
        let next = page.next.map { cursor.seal($0, in: .exports(viewer.narrowed(filter))) }
        let data = ExportDocument(links: links).bytes(ofPage: page, nextCursor: next)
        let shown = Dictionary(page.exports.map { ($0.id, $0.revision) }, uniquingKeysWith: { first, _ in first })
        let later = changes.frames
            .filter { shown[$0.change.exportID].map { [revision = $0.change.revision] in revision > $0 } ?? true }
        var text = EventText.event("snapshot", at: later.isEmpty ? through : nil, data)
        for frame in later { text.writeImmutableBuffer(frame.unplaced) }
        if !later.isEmpty { text.writeImmutableBuffer(EventText.position(through)) }
        return Snapshot(text: text, through: through)
    }

    /// What the stream tells of, in one page of changes.
    struct Page: Sendable {
        var frames: [EventFrame] = []
        /// Everything up to this position was read.
        var through: Int64
        /// Whether a change is missing, because it cannot be read.
        var isIncomplete = false
    }

    /// One page of the changes after a position and up to `through`, at most `limit`.
    func page(
        after position: Int64,
        through: Int64,
        limit: Int = EventHub.pageSize
    ) async throws(GatewayError) -> Page {
        let changes = try await service.changes(after: position, limit: limit)
        var page = Page(through: changes.hasMore ? min(changes.through, through) : through)
        page.isIncomplete = changes.isIncomplete
        for change in changes.changes where change.position <= through && scope.mayTake(change) {
            do throws(GatewayError) {
                if let export = try await service.export(after: change) {
                    if scope.takes(change, of: export) { page.frames.append(EventFrame(change, after: export)) }
                    continue
                }
            } catch {
                if let tombstone = error.tombstone {
                    // What came before the purge is of no use to anybody. The purge has a change of its own.
                    if change.isPurge, scope.takes(change, of: tombstone) {
                        page.frames.append(EventFrame(change, purging: tombstone))
                    }
                    continue
                }
            }
            // A row that is damaged cannot be read later either: the client gets the state instead.
            page.isIncomplete = true
            break
        }
        return page
    }

    /// The error for an export that was purged while its state was read.
    private func purged(_ id: ExportID) async throws(GatewayError) -> GatewayError {
        _ = try await service.presentExport(id, for: viewer)
        return GatewayError(.unavailable, "The export cannot be read at the moment.", retryAfter: .seconds(5))
    }

    /// Whether the stream may have to tell of anything after a position and up to `through`.
    func hasChanges(after position: Int64, through: Int64) async throws(GatewayError) -> Bool {
        var position = position
        while position < through {
            let page = try await service.changes(after: position, limit: EventHub.pageSize)
            if page.isIncomplete || page.changes.contains(where: scope.mayTake) { return true }
            position = page.hasMore ? page.through : through
        }
        return false
    }

    /// All changes after a position and up to `through`: those that came while something was read.
    private func frames(after position: Int64, through: Int64) async throws(GatewayError) -> Page {
        var all = Page(through: position)
        while all.through < through {
            let page = try await page(after: all.through, through: through)
            all.frames += page.frames
            all.isIncomplete = all.isIncomplete || page.isIncomplete
            all.through = page.through
        }
        return all
    }
}
