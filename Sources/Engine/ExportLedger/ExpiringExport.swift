import Exports

/// A success that expires soon, and the files of it that were delivered whole.
package struct ExpiringExport: Sendable {
    /// Where it is in the order of expiry and id.
    package struct Place: Sendable {
        package var expiry: Timestamp
        package var id: String

        /// The place after which those are that expire after `now`, and after another export.
        package init(now: Timestamp, after: (expiry: Timestamp, id: ExportID)?) {
            guard let after, after.expiry > now else {
                // Sorts after every id, because ids begin with a hexadecimal digit.
                (expiry, id) = (now, "g")
                return
            }
            (expiry, id) = (after.expiry, after.id.description)
        }

        fileprivate init(expiry: Timestamp, id: String) { (self.expiry, self.id) = (expiry, id) }
    }

    /// How many are read at once.
    package static let page = 200

    private let id: String
    private let expiry: Timestamp
    private let files: String
    private let delivered: Set<String>

    /// Makes it from a row. `delivered` are the ids of the files; an archive of all has the empty text.
    package init(id: String, expiry: Timestamp, files: String, delivered: Set<String>) {
        (self.id, self.expiry, self.files, self.delivered) = (id, expiry, files, delivered)
    }

    package var place: Place { Place(expiry: expiry, id: id) }

    /// The id, if at least one file was not delivered. Throws `LedgerError` (`corrupt`) that names the row.
    package func undelivered() throws -> ExportID? {
        guard !delivered.contains("") else { return nil }
        return try UnreadableRow.Table.export.naming(export: id, id: nil) {
            guard let id = ExportID(id) else { throw JSONText.unreadable("id") }
            let files: [ExportFile] = try JSONText.read(files, "files")
            return files.allSatisfy { delivered.contains($0.id) } ? nil : id
        }
    }
}

extension ExpiringExport {
    /// The ids of those that were not delivered, at most `limit`, in their order.
    ///
    /// - Parameters:
    ///   - unreadable: Called with rows that cannot be read.
    ///   - next: The candidates after a place; fewer than ``page`` are the last ones.
    package static func undelivered(
        from place: Place,
        limit: Int,
        unreadable: (UnreadableRow) -> Void,
        next: (Place) async throws -> [ExpiringExport]
    ) async throws -> [ExportID] {
        var (found, place): ([ExportID], Place) = ([], place)
        while found.count < limit {
            let candidates = try await next(place)
            for candidate in candidates where found.count < limit {
                do {
                    if let id = try candidate.undelivered() { found.append(id) }
                } catch let error as LedgerError {
                    guard let row = error.row else { throw error }
                    unreadable(row)
                }
            }
            guard candidates.count == page, let last = candidates.last else { break }
            place = last.place
        }
        return found
    }
}
