import ExportLedger

/// A row of a batch, to be read as the gateway reads it.
struct BatchRow: StoredRow {
    private let values: [StoredValue]

    /// - Parameter hasBytes: Whether columns of bytes are read. Otherwise they are empty: most hold what is not to be shown.
    init(_ batch: RowBatch, _ index: Int, _ table: LedgerTable, hasBytes: Bool = false) {
        var values: [StoredValue] = []
        values.reserveCapacity(table.columns.count)
        batch.forEachValue(of: index) { column, value in
            values.append(
                value.map { value in
                    switch table.columns[column].kind {
                    case .integer: .integer(Int64(bigEndian: value.loadUnaligned(as: Int64.self)))
                    case .text: .text(String(decoding: value, as: UTF8.self))
                    case .bytes: .bytes(hasBytes ? Array(value) : [])
                    }
                } ?? .null
            )
        }
        self.values = values
    }

    func integer(_ index: Int) -> Int64? { if case .integer(let number) = values[index] { number } else { nil } }
    func bytes(_ index: Int) -> [UInt8]? { if case .bytes(let bytes) = values[index] { bytes } else { nil } }
    func text(_ index: Int) -> String? { if case .text(let text) = values[index] { text } else { nil } }
}
