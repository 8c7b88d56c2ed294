/// The values of a query as libpq takes them.
struct Parameters {
    private var bytes: [UInt8] = []
    /// Where each value begins in `bytes`; nil for NULL.
    private var starts: [Int?] = []
    private var lengths: [CInt] = []
    private var formats: [CInt] = []

    /// Throws for a text that PostgreSQL cannot store.
    init(_ values: [SQLValue]) throws(PostgreSQLError) {
        for value in values {
            let start = bytes.count
            var isBinary = false
            var isNull = false
            switch value {
            case .null: isNull = true
            case .integer(let number): bytes.append(contentsOf: String(number).utf8)
            case .boolean(let value): bytes.append(UInt8(ascii: value ? "t" : "f"))
            case .text(let text):
                bytes.append(contentsOf: text.utf8)
                try checkText(from: start)
            case .bytes(let value):
                bytes.append(contentsOf: value)
                isBinary = true
            case .textArray(let elements):
                SQLText.append(elements, to: &bytes)
                try checkText(from: start)
            case .integerArray(let numbers):
                bytes.append(contentsOf: "{\(numbers.map(String.init).joined(separator: ","))}".utf8)
            }
            guard let length = CInt(exactly: bytes.count - start) else {
                throw PostgreSQLError(.other, sqlState: "54000", message: "A value is larger than 2 GiB.")
            }
            starts.append(isNull ? nil : start)
            lengths.append(length)
            formats.append(isBinary ? 1 : 0)
            // The end of a text.
            bytes.append(0)
        }
    }

    private func checkText(from start: Int) throws(PostgreSQLError) {
        if bytes[start...].contains(0) {
            throw PostgreSQLError(
                .other,
                sqlState: "22021",
                message: "A text has U+0000 in it, which PostgreSQL cannot store."
            )
        }
    }

    /// Calls `body` with the number of the values, and pointers to them, their lengths and formats.
    func withPointers(
        _ body: (CInt, UnsafePointer<UnsafePointer<CChar>?>?, UnsafePointer<CInt>?, UnsafePointer<CInt>?) -> CInt
    ) -> CInt {
        bytes.withUnsafeBytes { memory in
            let values = starts.map { start in
                start.flatMap { memory.baseAddress?.advanced(by: $0).assumingMemoryBound(to: CChar.self) }
            }
            return values.withUnsafeBufferPointer { values in
                lengths.withUnsafeBufferPointer { lengths in
                    formats.withUnsafeBufferPointer { formats in
                        body(CInt(values.count), values.baseAddress, lengths.baseAddress, formats.baseAddress)
                    }
                }
            }
        }
    }
}
