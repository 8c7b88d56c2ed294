public import Exports
import GRDB

extension SQLiteLedger {
    public func exports(
        matching filter: ExportFilter,
        before: ExportID?,
        limit: Int,
        known: @escaping @Sendable (ExportID, Int64) -> ExportSnapshot?
    ) async throws -> ExportPage {
        let limit = max(0, limit)
        let progress = progress
        progress.beginList()
        defer { progress.endList() }
        let page = try await read { database in
            try Self.page(matching: filter, before: before, limit: limit, in: database) { places in
                try Self.snapshots(at: places, known: known, in: database) { id, row in
                    progress.observedAt(of: id, UnwrittenProgress.StoredTimes(row))
                }
            }
        }
        page.leftOut.forEach(unreadable.found)
        return ExportPage(
            snapshots: page.values,
            hasMore: page.hasMore,
            unreadable: page.leftOut.count,
            next: page.stoppedAt
        )
    }

    /// One entry of a list.
    private enum Listed {
        case snapshot(ExportSnapshot)
        case unreadable(UnreadableRow)
    }

    /// One page, newest first, whether there is another one, and the rows among them that cannot be read.
    private static func page(
        matching filter: ExportFilter,
        before: ExportID?,
        limit: Int,
        in database: Database,
        _ read: ([ListIndex.Place]) throws -> [Listed]
    ) throws -> Page<ExportSnapshot> {
        let fixed = filter.fixedColumns
        let index = ListIndex(fixing: Set(fixed.keys))
        let ranges = try index.ranges(fixed, in: database)
        let least = filter.createdAfter.map(leastID) ?? ""
        // `g` sorts after every id, because ids begin with a hexadecimal digit.
        var end = min(before?.description ?? "g", filter.createdBefore.map(leastID) ?? "g")
        var page = Page<ExportSnapshot>()
        var beyond = 0
        while true {
            // Ends when the page is full. Rows that cannot be read do not count, up to a limit.
            let count = limit + 1 - page.values.count
            let places = try index.newest(count, of: ranges, from: least, before: end, in: database)
            for listed in try read(places) {
                switch listed {
                case .snapshot(let snapshot):
                    if page.values.count == limit {
                        page.hasMore = true
                        return page
                    }
                    page.values.append(snapshot)
                case .unreadable(let row):
                    // After the end of the page, it belongs to the next one.
                    if page.values.count < limit { page.leftOut.append(row) } else { beyond += 1 }
                }
            }
            guard places.count == count, let last = places.last else { return page }
            if page.leftOut.count + beyond >= mostLeftOut {
                page.hasMore = true
                if page.values.count == limit { return page }
                if let place = ExportID(last.id) {
                    page.stoppedAt = place
                    return page
                }
                page.hasMore = false
            }
            end = last.id
        }
    }

    /// The entry at each place, in the same order. Exports without a known snapshot are read with one statement.
    private static func snapshots(
        at places: [ListIndex.Place],
        known: (ExportID, Int64) -> ExportSnapshot?,
        in database: Database,
        observedAt: (ExportID, ExportRow) -> Timestamp?
    ) throws -> [Listed] {
        var found: [Listed?] = []
        var wanted: [ExportID: Int] = [:]
        for place in places {
            if let id = ExportID(place.id) {
                let snapshot = known(id, place.revision)
                if snapshot == nil { wanted[id] = found.count }
                found.append(snapshot.map { .snapshot($0) })
            } else {
                found.append(.unreadable(UnreadableRow(table: .export, export: place.id, column: ExportColumn.id.name)))
            }
        }
        if !wanted.isEmpty {
            let ids = "[\"" + wanted.keys.map(\.description).joined(separator: "\",\"") + "\"]"
            let rows = try ExportRows(database.cachedStatement(sql: ExportColumn.selectListed), [ids])
            while let row = try rows.next() {
                guard let id = ExportID(row[.id] as String), let position = wanted[id] else { continue }
                do {
                    var export = try naming(row) { try Export(row) }
                    export.observedAt = observedAt(id, row)
                    found[position] = .snapshot(ExportSnapshot(export))
                } catch let error as LedgerError {
                    guard let row = error.row else { throw error }
                    found[position] = .unreadable(row)
                }
            }
        }
        return found.compactMap { $0 }
    }

    /// The beginning of all ids that were made at `time`: it sorts before them, and after all older ids.
    private static func leastID(at time: Timestamp) -> String {
        let digits = String(UInt64(max(0, time.milliseconds)) & 0xFFFF_FFFF_FFFF, radix: 16)
        let padded = String(repeating: "0", count: 12 - digits.count) + digits
        return padded.prefix(8) + "-" + padded.suffix(4)
    }
}

extension ExportFilter {
    /// The columns that the filter fixes.
    var fixedColumns: [ExportColumn: String] {
        var fixed: [ExportColumn: String] = [:]
        fixed[.provider] = provider?.rawValue
        fixed[.connection] = connection
        fixed[.createdBy] = createdBy
        fixed[.status] = status?.rawValue
        return fixed
    }
}
