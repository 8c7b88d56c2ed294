public import Exports

/// One action, as it is stored before it is sealed.
///
/// It holds ids, names of callers and addresses, and nothing of what was exported.
public struct AuditEntry: Sendable, Hashable {
    /// The most bytes of a text that others choose, such as the name of a caller.
    public static let longestText = 256
    /// The most details of an entry.
    public static let mostDetails = 12

    /// UUIDv7. No two rows have the same.
    public let id: ExportID
    public let time: Timestamp
    public let action: AuditAction
    public let outcome: AuditOutcome
    /// Who acted; nil where nobody was authenticated.
    public let caller: String?
    /// The address of the client, as the trusted proxy tells it; nil where the gateway acted by itself.
    public let address: String?
    /// The id of the request (`X-Request-Id`).
    public let requestID: String?
    public let exportID: ExportID?
    /// What else is known of the action.
    public let details: [String: String]
    /// Proves that the gateway made the entry: an HMAC over the rest of it. Empty in a sealed row, whose code proves more.
    public let stamp: [UInt8]
    /// Which key made the stamp. Empty in a sealed row, which names its own.
    public let keyID: String

    /// Makes an entry that was read. ``AuditKey`` stamps new ones, and says whether a stamp is right.
    public init(
        id: ExportID,
        time: Timestamp,
        action: AuditAction,
        outcome: AuditOutcome,
        caller: String? = nil,
        address: String? = nil,
        requestID: String? = nil,
        exportID: ExportID? = nil,
        details: [String: String] = [:],
        stamp: [UInt8] = [],
        keyID: String = ""
    ) {
        self.id = id
        self.time = time
        self.action = action
        self.outcome = outcome
        self.caller = caller
        self.address = address
        self.requestID = requestID
        self.exportID = exportID
        self.details = details
        self.stamp = stamp
        self.keyID = keyID
    }

    /// The same as it comes back in a sealed row.
    public var unstamped: AuditEntry { stamped([], by: "") }

    /// The same with another stamp.
    func stamped(_ stamp: [UInt8], by keyID: String) -> AuditEntry {
        AuditEntry(
            id: id,
            time: time,
            action: action,
            outcome: outcome,
            caller: caller,
            address: address,
            requestID: requestID,
            exportID: exportID,
            details: details,
            stamp: stamp,
            keyID: keyID
        )
    }

    /// The bytes that stand for everything but the stamp and its key: no two entries have the same. The form is a part of the
    /// interface (`Audit, What is sealed`).
    func write(to bytes: inout AuditBytes) {
        bytes.add(id.description)
        bytes.add(String(time.milliseconds))
        bytes.add(action.rawValue)
        bytes.add(outcome.rawValue)
        bytes.add(caller)
        bytes.add(address)
        bytes.add(requestID)
        bytes.add(exportID?.description)
        bytes.add(String(details.count))
        for name in details.keys.sorted(by: { $0.utf8.lexicographicallyPrecedes($1.utf8) }) {
            bytes.add(name)
            bytes.add(details[name])
        }
    }
}

/// Values one after the other: each as its length in bytes, a colon and its bytes, and `-` for one that is not there.
struct AuditBytes {
    private(set) var bytes: [UInt8]

    /// Begins with what tells one use of the key from all others.
    init(_ purpose: String) {
        bytes = []
        bytes.reserveCapacity(512)
        add(purpose)
    }

    mutating func add(_ text: String?) {
        guard let text else { return bytes.append(UInt8(ascii: "-")) }
        bytes += Array("\(text.utf8.count):".utf8)
        bytes += Array(text.utf8)
    }

    mutating func add(_ value: [UInt8]) {
        bytes += Array("\(value.count):".utf8)
        bytes += value
    }
}
