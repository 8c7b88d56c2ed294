public import Exports

/// A sealed row of the audit trail: an entry, its place in the chain, and the code that binds it to the row before.
public struct AuditRow: Sendable, Hashable {
    /// The code before the first row of a chain.
    public static let noCode = [UInt8](repeating: 0, count: 32)

    /// 1 for the first row; each has the next number.
    public let sequence: Int64
    public let entry: AuditEntry
    /// The code of the row before; zeros for the first row.
    public let previous: [UInt8]
    /// Which key made the code.
    public let keyID: String
    /// The HMAC-SHA256 of the row and `previous`.
    public let code: [UInt8]

    /// Makes a row that was read. ``AuditChain`` makes new ones.
    public init(sequence: Int64, entry: AuditEntry, previous: [UInt8], keyID: String, code: [UInt8]) {
        self.sequence = sequence
        self.entry = entry
        self.previous = previous
        self.keyID = keyID
        self.code = code
    }

    /// The bytes of which the code is made.
    static func sealed(_ sequence: Int64, _ entry: AuditEntry, after previous: [UInt8], keyID: String) -> [UInt8] {
        var bytes = AuditBytes("export-gateway audit row 1")
        bytes.add(previous)
        bytes.add(String(sequence))
        bytes.add(keyID)
        entry.write(to: &bytes)
        return bytes.bytes
    }
}

/// The end of a chain at one time: what is told outside, so that rows which are taken away later are missed.
public struct AuditHead: Sendable, Hashable {
    /// The number of the last row; 0 for a chain without rows.
    public let sequence: Int64
    /// Its code; zeros for a chain without rows.
    public let code: [UInt8]
    public let keyID: String
    public let time: Timestamp

    /// Names the end of a chain.
    public init(sequence: Int64, code: [UInt8], keyID: String, time: Timestamp) {
        self.sequence = sequence
        self.code = code
        self.keyID = keyID
        self.time = time
    }

    /// The end of a chain that ends with a row.
    public init(_ row: AuditRow) {
        self.init(sequence: row.sequence, code: row.code, keyID: row.keyID, time: row.entry.time)
    }
}

/// The last row that was deleted because of its age: what is left begins after it.
public struct AuditAnchor: Sendable, Hashable {
    public let sequence: Int64
    public let code: [UInt8]
    /// When the rows were deleted.
    public let time: Timestamp
    /// The latest time of an entry that was deleted. An entry that is not later may be a copy of one of those.
    public let newest: Timestamp
    public let keyID: String
    /// The HMAC-SHA256 of the rest. Without the key, nobody can make what is left begin later.
    public let proof: [UInt8]

    /// Makes an anchor that was read. ``AuditKey`` makes new ones.
    public init(
        sequence: Int64,
        code: [UInt8],
        time: Timestamp,
        newest: Timestamp,
        keyID: String,
        proof: [UInt8]
    ) {
        self.sequence = sequence
        self.code = code
        self.time = time
        self.newest = newest
        self.keyID = keyID
        self.proof = proof
    }

    /// The bytes of which the proof is made.
    static func proved(
        _ sequence: Int64,
        _ code: [UInt8],
        _ time: Timestamp,
        _ newest: Timestamp,
        keyID: String
    ) -> [UInt8] {
        var bytes = AuditBytes("export-gateway audit anchor 1")
        bytes.add(String(sequence))
        bytes.add(code)
        bytes.add(String(time.milliseconds))
        bytes.add(String(newest.milliseconds))
        bytes.add(keyID)
        return bytes.bytes
    }
}
