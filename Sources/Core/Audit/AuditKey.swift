public import Exports
import SystemCrypto

/// The key of the audit trail. It is never printed.
public struct AuditKey: Sendable {
    /// How many bytes a key has.
    public static let byteCount = 32

    /// Tells the key from others, and nothing of it: the first 16 digits of an HMAC with it.
    public let id: String
    private let key: SecretBytes

    /// Takes a key of ``byteCount`` bytes; nil for another length.
    public init?(_ key: SecretBytes) {
        guard key.reveal().count == Self.byteCount else { return nil }
        self.key = key
        let code = HMACSHA256.authenticationCode(for: Array("export-gateway audit key".utf8), key: key.reveal())
        id = Hexadecimal.encode(code.prefix(8))
    }

    /// The entry with the stamp that proves who made it.
    public func stamp(_ entry: AuditEntry) -> AuditEntry { entry.stamped(stampCode(entry), by: id) }

    /// Whether this key has stamped the entry as it is.
    public func hasStamped(_ entry: AuditEntry) -> Bool {
        entry.keyID == id && constantTimeEquals(stampCode(entry), entry.stamp)
    }

    /// Whether this key has made the code of the row as it is.
    public func hasSealed(_ row: AuditRow) -> Bool {
        row.keyID == id
            && constantTimeEquals(code(row.sequence, row.entry, after: row.previous), row.code)
    }

    /// The row that follows another one.
    func seal(_ entry: AuditEntry, as sequence: Int64, after previous: [UInt8]) -> AuditRow {
        AuditRow(
            sequence: sequence,
            entry: entry.unstamped,
            previous: previous,
            keyID: id,
            code: code(sequence, entry, after: previous)
        )
    }

    /// What is left of a row that is deleted with all before it. `newest` is the latest time of an entry among these.
    public func anchor(_ row: AuditRow, newest: Timestamp, at time: Timestamp) -> AuditAnchor {
        AuditAnchor(
            sequence: row.sequence,
            code: row.code,
            time: time,
            newest: newest,
            keyID: id,
            proof: make(AuditAnchor.proved(row.sequence, row.code, time, newest, keyID: id))
        )
    }

    /// Whether this key has made the anchor as it is.
    public func hasMade(_ anchor: AuditAnchor) -> Bool {
        let wanted = make(AuditAnchor.proved(anchor.sequence, anchor.code, anchor.time, anchor.newest, keyID: id))
        return anchor.keyID == id && constantTimeEquals(wanted, anchor.proof)
    }

    private func stampCode(_ entry: AuditEntry) -> [UInt8] {
        var bytes = AuditBytes("export-gateway audit entry 1")
        entry.write(to: &bytes)
        return make(bytes.bytes)
    }

    private func code(_ sequence: Int64, _ entry: AuditEntry, after previous: [UInt8]) -> [UInt8] {
        make(AuditRow.sealed(sequence, entry, after: previous, keyID: id))
    }

    private func make(_ bytes: [UInt8]) -> [UInt8] {
        HMACSHA256.authenticationCode(for: bytes, key: key.reveal())
    }
}

extension AuditKey: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    public var description: String { "<audit key \(id)>" }
    public var debugDescription: String { description }
    public var customMirror: Mirror { Mirror(self, children: []) }
}

/// The keys with which rows may have been sealed, by their ids.
public struct AuditKeys: Sendable {
    private let keys: [String: AuditKey]

    /// Takes any number of keys; none of them needs to be the present one.
    public init(_ keys: [AuditKey]) {
        self.keys = Dictionary(keys.map { ($0.id, $0) }) { first, _ in first }
    }

    /// The key with an id; nil where it is not among these.
    public subscript(_ id: String) -> AuditKey? { keys[id] }

    /// Whether one of these has made the code of the row as it is.
    public func haveSealed(_ row: AuditRow) -> Bool { self[row.keyID]?.hasSealed(row) ?? false }

    /// Whether one of these has made the anchor as it is.
    public func haveMade(_ anchor: AuditAnchor) -> Bool { self[anchor.keyID]?.hasMade(anchor) ?? false }
}

extension AuditKeys: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    public var description: String { "<\(keys.count) audit keys>" }
    public var debugDescription: String { description }
    public var customMirror: Mirror { Mirror(self, children: []) }
}
