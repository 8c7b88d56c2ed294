/// Both ends of a chain, as they are in the transaction that goes on with it.
public struct AuditEnds: Sendable, Hashable {
    /// The last row; nil where there is none.
    public var head: AuditHead?
    /// The number of the first row; nil where there is none.
    public var first: Int64?
    /// The last row that was deleted; nil where none was, and where it cannot be read.
    public var anchor: AuditAnchor?
    /// Whether there is an anchor that cannot be read.
    public var hasUnreadableAnchor: Bool

    /// Names them.
    public init(
        head: AuditHead?,
        first: Int64?,
        anchor: AuditAnchor? = nil,
        hasUnreadableAnchor: Bool = false
    ) {
        (self.head, self.first, self.anchor) = (head, first, anchor)
        self.hasUnreadableAnchor = hasUnreadableAnchor
    }

    /// Why nothing may be sealed here; nil where the chain begins as a gateway has left it: with row 1, or after an anchor that
    /// one of the keys has made. `former` is an anchor that was proved before: no later one is of an earlier row.
    ///
    /// The anchor says which entries may be copies of deleted rows. Who could take it away for a moment could have such copies
    /// sealed; who could replace it could have genuine entries rejected.
    func finding(_ keys: AuditKeys, after former: AuditAnchor?) -> AuditFinding? {
        guard !hasUnreadableAnchor else {
            return AuditFinding(kind: .unreadable, sequence: nil, detail: "the anchor cannot be read")
        }
        guard let anchor else {
            let isWhole = former == nil && first ?? 1 == 1
            return isWhole ? nil : .beginning(1, "there is no anchor, and rows were deleted")
        }
        guard let key = keys[anchor.keyID] else {
            let detail = "the anchor has the key \(anchor.keyID.prefix(64)), which is not known"
            return AuditFinding(kind: .unknownKey, sequence: anchor.sequence, detail: detail)
        }
        guard AuditBounds.contain(anchor.sequence, anchor.time), key.hasMade(anchor) else {
            let detail = "the anchor was made without the key"
            return AuditFinding(kind: .forgedAnchor, sequence: anchor.sequence, detail: detail)
        }
        if let former, anchor.sequence < former.sequence {
            return .beginning(anchor.sequence, "the anchor was of row \(former.sequence) before")
        }
        let next = anchor.sequence + 1
        guard let first else {
            return AuditFinding(kind: .endMissing, sequence: next, detail: "there is no row after the anchor")
        }
        return first == next ? nil : .beginning(next, "the first row after the anchor is \(first)")
    }
}

extension AuditFinding {
    fileprivate static func beginning(_ sequence: Int64, _ detail: String) -> AuditFinding {
        AuditFinding(kind: .beginningMissing, sequence: sequence, detail: detail)
    }
}
