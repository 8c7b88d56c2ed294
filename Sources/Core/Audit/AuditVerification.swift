import Exports
import SystemCrypto

/// Something that is wrong with an audit trail, or worth knowing.
public struct AuditFinding: Sendable, Hashable, CustomStringConvertible {
    /// What it is.
    public enum Kind: String, Sendable, Hashable, CaseIterable {
        /// A row, or a line, that cannot be read.
        case unreadable
        /// A row whose code is not that of its content: it was altered, or made without the key.
        case altered
        /// A row that was sealed with a key which was not given.
        case unknownKey = "unknown-key"
        /// A row that does not follow the row before: one of both was put there later, or its place was changed.
        case broken
        /// A row with the number of the row before or a lower one.
        case misplaced
        /// A row with the id of a row before: the same entry was sealed twice.
        case doubled
        /// Rows between two others are missing.
        case missing
        /// Rows at the beginning are missing, and nothing proves that the gateway deleted them.
        case beginningMissing = "beginning-missing"
        /// Rows at the end are missing: a head names a later one, or none is left after the anchor.
        case endMissing = "end-missing"
        /// A head names another code for a row: the chain was made again since, or the head is not of this chain.
        case otherHead = "other-head"
        /// What proves that the oldest rows were deleted because of their age is not authentic.
        case forgedAnchor = "forged-anchor"
    }

    public var kind: Kind
    /// The row that it is about; nil where it has no number.
    public var sequence: Int64?
    public var detail: String

    /// Makes a finding.
    public init(kind: Kind, sequence: Int64?, detail: String) {
        (self.kind, self.sequence, self.detail) = (kind, sequence, detail)
    }

    public var description: String { "\(kind.rawValue)\(sequence.map { " \($0)" } ?? ""): \(detail)" }
}

/// Checks a chain row by row, in the order of the numbers. A value without I/O. It keeps the id of each row, about 50 bytes, and
/// nothing else that grows with the rows.
public struct AuditVerification: Sendable {
    /// So many findings are kept; further ones are counted.
    public static let mostFindings = 100

    /// What is checked.
    public enum Subject: Sendable {
        /// The whole trail, which begins with its first row, or after an anchor.
        case trail(AuditAnchor?)
        /// A piece of it, which may begin and end anywhere.
        case piece
    }

    public private(set) var findings: [AuditFinding] = []
    public private(set) var count = 0
    /// How many rows were read.
    public private(set) var rows: Int64 = 0
    /// The first and the last row that were read.
    public private(set) var first: AuditHead?
    public private(set) var last: AuditHead?
    /// How many entries the gateway itself has refused to seal, because it had not made them. They are not in the chain, which is
    /// whole.
    public private(set) var rejected: Int64 = 0
    /// How many heads were compared with their rows.
    public private(set) var headsSeen = 0
    private let keys: AuditKeys
    private let subject: Subject
    private var heads: ArraySlice<AuditHead>
    private var previous: (sequence: Int64, code: [UInt8])?
    private var ids: Set<ExportID> = []
    private var isAnchorProved = false

    /// Checks with these keys, and compares with these heads, in any order.
    public init(_ subject: Subject, keys: AuditKeys, heads: [AuditHead]) {
        (self.subject, self.keys) = (subject, keys)
        self.heads =
            heads.filter { AuditBounds.contain($0.sequence, $0.time) }
            .sorted { $0.sequence < $1.sequence }[...]
        guard case .trail(let anchor) = subject else { return }
        guard let anchor else {
            previous = (0, AuditRow.noCode)
            return
        }
        guard AuditBounds.contain(anchor.sequence, anchor.time) else {
            find(.unreadable, anchor.sequence, "the anchor has a number or a time that no gateway writes")
            return
        }
        previous = (anchor.sequence, anchor.code)
        guard let key = keys[anchor.keyID] else {
            find(.unknownKey, anchor.sequence, "the beginning was moved here with the key \(anchor.keyID)")
            return
        }
        isAnchorProved = key.hasMade(anchor)
        if !isAnchorProved { find(.forgedAnchor, anchor.sequence, "the beginning was moved here without the key") }
        compare(anchor.sequence, anchor.code)
    }

    /// Whether nothing is wrong.
    public var isGood: Bool { count == 0 }

    /// Checks the next row.
    public mutating func check(_ row: AuditRow) {
        guard AuditBounds.contain(row.sequence, row.entry.time) else {
            return unreadable(row.sequence, "it has a number or a time that no gateway writes")
        }
        rows += 1
        if first == nil { first = AuditHead(row) }
        checkPlace(row)
        if let key = keys[row.keyID] {
            if !key.hasSealed(row) { find(.altered, row.sequence, "its code is not that of its content") }
        } else {
            find(.unknownKey, row.sequence, "it was sealed with the key \(row.keyID), which was not given")
        }
        if !ids.insert(row.entry.id).inserted { find(.doubled, row.sequence, "a row before it has its id") }
        compare(row.sequence, row.code)
        if row.entry.action == .reject { countRejected(row) }
        last = AuditHead(row)
        previous = (row.sequence, row.code)
    }

    /// A row that cannot be read.
    public mutating func unreadable(_ sequence: Int64?, _ detail: String) {
        rows += 1
        find(.unreadable, sequence, detail)
        // What follows it is told as missing or broken as well, which is true.
    }

    /// Ends the check: there are no more rows.
    public mutating func finish() {
        let end = last?.sequence ?? previous?.sequence ?? 0
        // A piece may end before a head.
        guard case .trail = subject else { return }
        if let head = heads.last, head.sequence > end {
            find(.endMissing, head.sequence, "a head of \(head.time) names this row, and the last one is \(end)")
        } else if isAnchorProved, rows == 0 {
            // The last row is never deleted because of its age.
            find(.endMissing, end + 1, "there is no row after the one up to which the gateway has deleted")
        }
    }

    private mutating func countRejected(_ row: AuditRow) {
        // A row that was altered may have any number.
        let count = max(0, row.entry.details["count"].flatMap { Int64($0) } ?? 1)
        let (sum, isTooLarge) = rejected.addingReportingOverflow(count)
        rejected = isTooLarge ? .max : sum
    }

    private mutating func checkPlace(_ row: AuditRow) {
        guard let previous else { return }
        if row.sequence <= previous.sequence {
            return find(.misplaced, row.sequence, "it comes after row \(previous.sequence)")
        }
        if row.sequence > previous.sequence + 1 {
            let isBeginning = rows == 1
            return find(
                isBeginning ? .beginningMissing : .missing,
                previous.sequence + 1,
                "\(row.sequence - previous.sequence - 1) rows before row \(row.sequence) are missing"
            )
        }
        if row.previous != previous.code {
            find(.broken, row.sequence, "it does not follow the row before")
        }
    }

    /// Compares with the heads of this row. Heads of rows that are not there are passed over.
    private mutating func compare(_ sequence: Int64, _ code: [UInt8]) {
        while let head = heads.first, head.sequence <= sequence {
            heads.removeFirst()
            guard head.sequence == sequence else { continue }
            headsSeen += 1
            if !constantTimeEquals(head.code, code) {
                find(.otherHead, sequence, "a head of \(head.time) names another code for it")
            }
        }
    }

    private mutating func find(_ kind: AuditFinding.Kind, _ sequence: Int64?, _ detail: String) {
        count += 1
        guard findings.count < Self.mostFindings else { return }
        findings.append(AuditFinding(kind: kind, sequence: sequence, detail: detail))
    }
}
