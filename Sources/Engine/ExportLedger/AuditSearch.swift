package import Audit
import Exports

/// How the rows of a page are found: one index is gone through, and what it finds may have to match more.
///
/// Rows that the index finds and that do not match can be many, so that a page looks at ``mostLooked`` at most. It may have fewer rows
/// than were asked for then, and say where the next one begins.
package struct AuditSearch: Sendable {
    /// So many rows are looked at for one page, where not all of them match.
    package static let mostLooked = 2_000

    package let index: String
    /// What the index finds.
    package let range: String
    /// What else rows have to match; nil where the index finds those that match and no others.
    package let rest: String?
    /// The values of the parameters of `range`, and then those of `rest`.
    package let values: [StoredValue]
    private let rangeCount: Int
    private let mark: @Sendable (Int) -> String

    /// Finds the rows before a place. `mark` names the parameter with a number, from 1.
    package init(_ filter: AuditFilter, before place: AuditPlace?, mark: @escaping @Sendable (Int) -> String) {
        // The first one has the index: of most exports there are fewer rows than of a caller, and of that fewer than of an action.
        var conditions: [(column: String, value: String, index: String)] = []
        if let exportID = filter.exportID {
            conditions.append(("export_id", exportID.description, "audit_row_by_export"))
        }
        if let caller = filter.caller { conditions.append(("caller", caller, "audit_row_by_caller")) }
        if let action = filter.action { conditions.append(("action", action.rawValue, "audit_row_by_action")) }
        var (texts, values) = ([String](), [StoredValue]())
        func add(_ value: StoredValue) -> String {
            values.append(value)
            return mark(values.count)
        }
        if let first = conditions.first { texts.append("\(first.column) = \(add(StoredValue(first.value)))") }
        if let from = filter.from { texts.append("time >= \(add(StoredValue(from)))") }
        // No row has the number 0.
        let ends = [place, filter.to.map { AuditPlace(time: $0, sequence: 0) }].compactMap { $0 }
        if let end = ends.min(by: { ($0.time, $0.sequence) < ($1.time, $1.sequence) }) {
            let time = add(StoredValue(end.time))
            texts.append("time <= \(time) AND (time, sequence) < (\(time), \(add(StoredValue(end.sequence))))")
        }
        index = conditions.first?.index ?? "audit_row_by_time"
        range = texts.isEmpty ? "TRUE" : texts.joined(separator: " AND ")
        rangeCount = values.count
        let others = conditions.dropFirst().map { "\($0.column) = \(add(StoredValue($0.value)))" }
        rest = others.isEmpty ? nil : others.joined(separator: " AND ")
        self.values = values
        self.mark = mark
    }

    /// The values of the parameters of `range`.
    package var rangeValues: [StoredValue] { Array(values.prefix(rangeCount)) }

    /// `range` down to the last row that is looked at, with the values of all parameters, and the mark of the one after them. A range
    /// that has no such row is as it is.
    package func looked(to last: AuditPlace?) -> (range: String, values: [StoredValue], next: String) {
        guard let last else { return (range, values, mark(values.count + 1)) }
        let (time, sequence) = (mark(values.count + 1), mark(values.count + 2))
        return (
            "\(range) AND time >= \(time) AND (time, sequence) >= (\(time), \(sequence))",
            values + [StoredValue(last.time), StoredValue(last.sequence)], mark(values.count + 3)
        )
    }
}

extension AuditRows {
    /// The page has looked at no row after this one.
    package mutating func end(at last: AuditPlace?) {
        guard !isFull, let last else { return }
        isFull = true
        self.last = last
    }
}
