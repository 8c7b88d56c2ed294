import Exports
import GRDB

extension ListIndex {
    /// The migration that created these indexes, in place of indexes that each began with the column of one filter. Never edited.
    static let schema = """
        DROP INDEX export_by_provider;
        DROP INDEX export_by_connection;
        DROP INDEX export_by_status;
        DROP INDEX export_by_creator;
        CREATE INDEX export_by_provider_status ON export (provider, status, id);
        CREATE INDEX export_by_connection_provider_status ON export (connection, provider, status, id);
        CREATE INDEX export_by_creator_provider_status ON export (created_by, provider, status, id);
        CREATE INDEX export_by_creator_connection_provider_status
            ON export (created_by, connection, provider, status, id);
        """

    private var table: String { "export INDEXED BY \(rawValue)" }

    private func equal(_ columns: ArraySlice<ExportColumn>) -> String {
        columns.map { "\($0.name) = ? AND " }.joined()
    }

    /// A query for the next value of a column after another, with fixed values for the columns before it.
    func nextValue(at position: Int) -> String {
        let name = columns[position].name
        return "SELECT \(name) FROM \(table) WHERE \(equal(columns[..<position]))\(name) > ? ORDER BY \(name) LIMIT 1"
    }

    /// A query for one range, newest first: fixed values for the columns, ids from one on and before another, and a limit.
    var places: String {
        """
        SELECT id, revision FROM \(table) WHERE \(equal(columns[...]))id >= ? AND id < ? ORDER BY id DESC LIMIT ?
        """
    }

    /// A query for the number of exports of one range with ids from one on, and the least of their ids.
    var count: String { "SELECT count(*), min(id) FROM \(table) WHERE \(equal(columns[...]))id >= ?" }

    /// The values of this index's columns for each range that a filter takes.
    func ranges(_ fixed: [ExportColumn: String], in database: Database) throws -> [[String]] {
        var ranges: [[String]] = [[]]
        for (position, column) in columns.enumerated() {
            if let value = fixed[column] {
                ranges = ranges.map { $0 + [value] }
                continue
            }
            let statement = try database.cachedStatement(sql: nextValue(at: position))
            ranges = try ranges.flatMap { range in
                var values: [String] = []
                // The empty text sorts before every value.
                while let next = try String.fetchOne(
                    statement,
                    arguments: StatementArguments(range + [values.last ?? ""])
                ) {
                    values.append(next)
                }
                return values.map { range + [$0] }
            }
        }
        return ranges
    }

    /// The newest exports of all ranges together, at most `count`.
    func newest(
        _ count: Int,
        of ranges: [[String]],
        from least: String,
        before end: String,
        in database: Database
    ) throws -> [Place] {
        let statement = try database.cachedStatement(sql: places)
        func read(_ range: [String], from least: String, limit: Int) throws -> [Place] {
            let rows = try Row.fetchCursor(statement, arguments: StatementArguments(range + [least, end]) + [limit])
            var places: [Place] = []
            while let row = try rows.next() { places.append(Place(id: row[0], revision: row[1])) }
            return places
        }
        guard ranges.count > 1 else { return try ranges.flatMap { try read($0, from: least, limit: count) } }
        // The ranges are read in the order of their newest exports, so that a range whose exports are all too old is not read.
        let heads = try ranges.compactMap { range in
            try read(range, from: least, limit: 1).first.map { (range: range, id: $0.id) }
        }
        var newest: [Place] = []
        for (range, id) in heads.sorted(by: { $0.id > $1.id }) {
            let least = newest.count == count ? newest.last?.id ?? least : least
            guard id >= least else { break }
            let found = try read(range, from: least, limit: count)
            newest = Array((newest + found).sorted { $0.id > $1.id }.prefix(count))
        }
        return newest
    }
}
