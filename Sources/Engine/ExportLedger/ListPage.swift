import Exports

/// One entry of a list.
package enum ListEntry: Sendable {
    case snapshot(ExportSnapshot)
    case unreadable(UnreadableRow)

    /// The entry at each place, in the same order.
    ///
    /// - Parameters:
    ///   - known: A snapshot of a revision, where there is one.
    ///   - rows: Reads the exports of which no snapshot is known, and calls its second parameter with each row, and with when the upstream
    ///     last confirmed its status.
    package static func entries<Row: StoredRow>(
        at places: [ListIndex.Place],
        known: (ExportID, Int64) -> ExportSnapshot?,
        rows: ([ExportID], (Row, _ observedAt: Timestamp?) throws -> Void) throws -> Void
    ) throws -> [ListEntry] {
        var found: [ListEntry?] = []
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
            try rows(Array(wanted.keys)) { row, observedAt in
                guard let id = ExportID(row[.id] as String), let position = wanted[id] else { return }
                do {
                    var export = try row.export()
                    export.observedAt = observedAt
                    found[position] = .snapshot(ExportSnapshot(export))
                } catch let error as LedgerError {
                    guard let row = error.row else { throw error }
                    found[position] = .unreadable(row)
                }
            }
        }
        return found.compactMap { $0 }
    }
}

extension RowPage<ExportSnapshot> {
    /// Reads one page, newest first, whether there is another one, and the rows among them that cannot be read.
    ///
    /// - Parameters:
    ///   - newest: At most so many matches that are older than the end, newest first.
    ///   - read: The entries of these places.
    package init(
        matching filter: ExportFilter,
        before: ExportID?,
        limit: Int,
        newest: (_ count: Int, _ end: String) throws -> [ListIndex.Place],
        read: ([ListIndex.Place]) throws -> [ListEntry]
    ) throws {
        var end = filter.endID(before: before)
        var beyond = 0
        while true {
            // Ends when the page is full. Rows that cannot be read do not count, up to a limit.
            let count = limit + 1 - values.count
            let places = try newest(count, end)
            for entry in try read(places) {
                switch entry {
                case .snapshot(let snapshot):
                    if values.count == limit {
                        hasMore = true
                        return
                    }
                    values.append(snapshot)
                case .unreadable(let row):
                    // After the end of the page, it belongs to the next one.
                    if values.count < limit { leftOut.append(row) } else { beyond += 1 }
                }
            }
            guard places.count == count, let last = places.last else { return }
            if leftOut.count + beyond >= Self.mostLeftOut {
                hasMore = true
                if values.count == limit { return }
                if let place = ExportID(last.id) {
                    stoppedAt = place
                    return
                }
                hasMore = false
            }
            end = last.id
        }
    }

    package var list: ExportPage {
        ExportPage(snapshots: values, hasMore: hasMore, unreadable: leftOut.count, next: stoppedAt)
    }
}
