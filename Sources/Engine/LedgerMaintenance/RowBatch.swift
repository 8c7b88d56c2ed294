#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// Rows of one table in the order of its key, as bytes. Equal rows are equal bytes, whichever kind of ledger they were read from.
///
/// Each row is written as in the binary format of PostgreSQL's COPY
/// (https://www.postgresql.org/docs/15/sql-copy.html#id-1.9.3.55.9.4): the number of its values in 2 bytes, then each value as its
/// length in 4 bytes and its bytes. Numbers have the most significant byte first. NULL has the length -1. A whole number has 8
/// bytes.
struct RowBatch: Sendable {
    /// A batch is full with so many rows or bytes, whichever comes first. A single row may be longer.
    static let mostRows = 10_000
    static let mostBytes = 4 << 20

    /// The rows, one after the other.
    private var bytes: [UInt8] = []
    /// Where each row begins.
    private var starts: [Int] = []

    /// An empty batch.
    init() { bytes.reserveCapacity(Self.mostBytes) }

    var count: Int { starts.count }
    var byteCount: Int { bytes.count }
    var isFull: Bool { count >= Self.mostRows || bytes.count >= Self.mostBytes }

    mutating func removeAll() {
        bytes.removeAll(keepingCapacity: true)
        starts.removeAll(keepingCapacity: true)
    }

    mutating func beginRow(columns: Int) {
        starts.append(bytes.count)
        append(UInt16(columns))
    }

    mutating func appendNull() { append(UInt32.max) }

    mutating func append(integer: Int64) {
        append(UInt32(8))
        append(UInt64(bitPattern: integer))
    }

    mutating func append(value: UnsafeRawBufferPointer) {
        append(UInt32(value.count))
        bytes.append(contentsOf: value)
    }

    private mutating func append(_ number: some FixedWidthInteger) {
        withUnsafeBytes(of: number.bigEndian) { bytes.append(contentsOf: $0) }
    }

    /// Calls `body` with the rows, one after the other.
    func withBytes<T>(_ body: (UnsafeRawBufferPointer) throws -> T) rethrows -> T { try bytes.withUnsafeBytes(body) }

    /// Calls `body` with the bytes of one row.
    func withRow<T>(_ index: Int, _ body: (UnsafeRawBufferPointer) throws -> T) rethrows -> T {
        try row(index).withUnsafeBytes(body)
    }

    func hasSameRows(as other: RowBatch) -> Bool {
        withBytes { bytes in
            other.withBytes { others in
                guard let first = bytes.baseAddress, let second = others.baseAddress else {
                    return bytes.isEmpty && others.isEmpty
                }
                return bytes.count == others.count && memcmp(first, second, bytes.count) == 0
            }
        }
    }

    /// The key of the first row in which two batches differ.
    func firstDifference(from other: RowBatch, in table: LedgerTable) -> RowKey {
        for index in 0..<min(count, other.count) where !row(index).elementsEqual(other.row(index)) {
            return key(of: index, in: table)
        }
        return count > other.count ? key(of: other.count, in: table) : other.key(of: count, in: table)
    }

    private func row(_ index: Int) -> ArraySlice<UInt8> {
        bytes[starts[index]..<(index + 1 < count ? starts[index + 1] : bytes.count)]
    }

    /// Calls `body` with the values of a row in the order of its columns; nil for NULL. The bytes are valid during the call.
    func forEachValue(of index: Int, _ body: (_ column: Int, UnsafeRawBufferPointer?) throws -> Void) rethrows {
        try bytes.withUnsafeBytes { bytes in
            var place = starts[index]
            func number<Number: FixedWidthInteger>(_: Number.Type) -> Number {
                defer { place += MemoryLayout<Number>.size }
                return Number(bigEndian: bytes.loadUnaligned(fromByteOffset: place, as: Number.self))
            }
            for column in 0..<Int(number(UInt16.self)) {
                let length = number(UInt32.self)
                guard length != .max else {
                    try body(column, nil)
                    continue
                }
                try body(column, UnsafeRawBufferPointer(rebasing: bytes[place..<place + Int(length)]))
                place += Int(length)
            }
        }
    }

    /// The key of a row of a table.
    func key(of index: Int, in table: LedgerTable) -> RowKey {
        var values: [RowKey.Value] = []
        forEachValue(of: index) { column, value in
            guard column < table.keyLength, let value else { return }
            values.append(
                table.columns[column].kind == .integer
                    ? .integer(Int64(bigEndian: value.loadUnaligned(as: Int64.self)))
                    : .text(String(decoding: value, as: UTF8.self))
            )
        }
        return RowKey(values: values)
    }

    /// The key of the last row; nil where there is none.
    func lastKey(in table: LedgerTable) -> RowKey? { count == 0 ? nil : key(of: count - 1, in: table) }
}

/// The values of the columns of a row's key.
struct RowKey: Sendable, Hashable, CustomStringConvertible {
    enum Value: Sendable, Hashable {
        case integer(Int64)
        case text(String)
    }

    var values: [Value]

    var description: String {
        values.map { value in
            switch value {
            case .integer(let number): "\(number)"
            case .text(let text): text
            }
        }
        .joined(separator: " ")
    }
}
