// The statements that read and write the columns of exports.
extension ExportColumn {
    // A left join, so that an export whose request row is missing is reported as unreadable and not as unknown.
    private static let requests = "LEFT JOIN export_request USING (key)"

    /// Selects every column, for ``LedgerRecord/init(_:)``, with an index. A condition follows.
    static func select(by index: String) -> String { "SELECT \(all) FROM export INDEXED BY \(index) \(requests)" }

    static let selectOne = "SELECT \(all) FROM export \(requests) WHERE id = ?"
    /// Selects the columns that lists need, for the exports whose ids are in a JSON array.
    static let selectListed = """
        SELECT \(listed) FROM (SELECT value AS wanted FROM json_each(?)) CROSS JOIN export ON id = wanted \(requests)
        """
    static let insertRequest = "INSERT INTO export_request (key, source, plan) VALUES (last_insert_rowid(), ?, ?)"
}
