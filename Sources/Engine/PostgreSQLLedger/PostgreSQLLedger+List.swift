import ExportLedger
public import Exports
import PostgreSQL

extension PostgreSQLLedger {
    public func exports(
        matching filter: ExportFilter,
        before: ExportID?,
        limit: Int,
        known: @escaping @Sendable (ExportID, Int64) -> ExportSnapshot?
    ) async throws -> ExportPage {
        let limit = max(0, limit)
        let fixed = filter.fixedColumns
        let index = ListIndex(fixing: Set(fixed.keys))
        let statement = ListStatements.places(index, fixing: Set(fixed.keys))
        let values = index.columns.compactMap { fixed[$0].map { SQLValue.text($0) } }
        // A status can change between the statements; everything else that a filter names stays as it is.
        let isOneState = fixed[.status] != nil
        let page = try await read { connection in
            if isOneState { _ = try connection.query("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY") }
            let page = try RowPage<ExportSnapshot>(
                matching: filter,
                before: before,
                limit: limit,
                newest: { count, end in
                    let range: [SQLValue] = [.text(filter.leastID), .text(end), .integer(Int64(count))]
                    return try connection.query(SQLQuery(statement, range + values))
                        .map { ListIndex.Place(id: $0[0], revision: $0[1]) }
                }
            ) { places in
                try ListEntry.entries(at: places, known: known) { ids, found in
                    let ids = SQLValue.textArray(ids.map(\.description))
                    for row in try connection.query(SQLQuery(ListStatements.listed, [ids])) {
                        try found(row, row.time(.observedAt))
                    }
                }
            }
            if isOneState { _ = try connection.query(.commit) }
            return page
        }
        page.leftOut.forEach(unreadable.found)
        return page.list
    }
}

/// The statements for lists: they read ranges of the indexes of `ListIndex` that contain only matches.
///
/// The values of columns that a filter leaves open are enumerated, with one lookup in the index for each value that occurs ("loose
/// index scan", https://wiki.postgresql.org/wiki/Loose_indexscan). Then the newest of each range are read, and the newest of all.
///
/// All columns of an index are compared together, as a row, and ordered by. No other index has that order, and sorting is ruled out
/// (``Planner``), so PostgreSQL cannot take an index that is good for usual values and reads the whole table for rare ones.
enum ListStatements {
    static let listed = SQLStatement("\(ExportColumn.selectListed) WHERE export.id = ANY($1::text[])")

    /// Selects id and revision of the newest matches. Parameters: the least id, the end, the limit, and then the values of the fixed
    /// columns in the order of the index.
    static func places(_ index: ListIndex, fixing fixed: Set<ExportColumn>) -> SQLStatement {
        var parameter = 3
        var tables: [String] = []
        // The columns that are enumerated so far, and for each column before the next one its name and where its value comes from.
        var open: [String] = []
        var before: [(name: String, value: String)] = []
        for column in index.columns {
            let name = column.name
            if fixed.contains(column) {
                parameter += 1
                before.append((name, "$\(parameter)"))
                continue
            }
            tables.append(enumeration(of: name, number: tables.count, keeping: open, before))
            before.append((name, "r.\(name)"))
            open.append(name)
        }
        let (place, order) = (
            row(before.map { "e.\($0.name)" } + ["e.id"]), before.map { "e.\($0.name) DESC, " }.joined()
        )
        let values = before.map(\.value)
        let matches = """
            SELECT e.id, e.revision FROM export e WHERE \(place) >= \(row(values + ["$1"])) AND \(place) < \(row(values + ["$2"]))
            ORDER BY \(order)e.id DESC LIMIT $3
            """
        guard !tables.isEmpty else { return SQLStatement(matches) }
        return SQLStatement(
            """
            WITH RECURSIVE \(tables.joined(separator: ", "))
            SELECT page.id, page.revision FROM r\(tables.count - 1) r CROSS JOIN LATERAL (\(matches)) page
            ORDER BY page.id DESC LIMIT $3
            """
        )
    }

    /// Selects the number of exports of one caller, and the least of their ids. Parameters: the least id that counts, and the caller.
    ///
    /// PostgreSQL ends the scan of an index where a column that is compared alone, or the first column of a row, does not match any more,
    /// but not at the later columns of a row. So only status and id are a row: with the caller in it, each range would be read up to the
    /// caller's last export. The order keeps the other indexes out.
    static let countOfCreator: SQLStatement = {
        let creator = (name: "created_by", value: "$2")
        let provider = (name: "provider", value: "r.provider")
        return SQLStatement(
            """
            WITH RECURSIVE \(enumeration(of: "provider", number: 0, keeping: [], [creator])),
                \(enumeration(of: "status", number: 1, keeping: ["provider"], [creator, provider]))
            SELECT coalesce(sum(c.number), 0)::bigint, min(c.oldest) FROM r1 r CROSS JOIN LATERAL (
                SELECT count(*) AS number, min(found.id) AS oldest FROM (
                    SELECT e.id FROM export e WHERE e.created_by = $2 AND e.provider = r.provider
                        AND (e.status, e.id) >= (r.status, $1) AND (e.status, e.id) < (r.status, 'g')
                    ORDER BY e.created_by, e.provider, e.status, e.id
                ) found
            ) c
            """
        )
    }()

    private static func row(_ values: [String]) -> String { "(\(values.joined(separator: ", ")))" }

    /// A table `r` and its number: the values of one column, for each row of the table before. Each value is the next after the one
    /// before; the empty text sorts before every value.
    private static func enumeration(
        of name: String,
        number: Int,
        keeping open: [String],
        _ before: [(name: String, value: String)]
    ) -> String {
        func next(after value: String) -> String {
            let columns = before.map { "e.\($0.name)" } + ["e.\(name)"]
            let list = columns.joined(separator: ", ")
            let isSame = before.map { " AND x.\($0.name) = \($0.value)" }.joined()
            return """
                (SELECT x.\(name) FROM (
                    SELECT \(list) FROM export e WHERE \(row(columns)) > \(row(before.map(\.value) + [value]))
                    ORDER BY \(list) LIMIT 1
                ) x WHERE true\(isSame))
                """
        }
        let columns = (open + [name]).joined(separator: ", ")
        let kept = open.map { "r.\($0), " }.joined()
        return """
            v\(number)(\(columns)) AS (
                SELECT \(kept)\(next(after: "''"))\(number == 0 ? "" : " FROM r\(number - 1) r")
                UNION ALL
                SELECT \(kept)\(next(after: "r.\(name)")) FROM v\(number) r WHERE r.\(name) IS NOT NULL
            ), r\(number)(\(columns)) AS (SELECT \(columns) FROM v\(number) WHERE \(name) IS NOT NULL)
            """
    }
}
