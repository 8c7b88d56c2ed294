public import Exports

/// Makes entries: gives each its id and time, and stamps it.
public struct AuditWriter: Sendable {
    private let key: AuditKey
    private let time: any TimeSource
    private let random: Randomness

    /// Stamps with `key`.
    public init(key: AuditKey, time: any TimeSource, random: Randomness) {
        (self.key, self.time, self.random) = (key, time, random)
    }

    /// An entry of a time; nil for now. Texts are cut where they are too long, and details without a value are left out.
    public func entry(
        _ action: AuditAction,
        _ outcome: AuditOutcome,
        at moment: Timestamp? = nil,
        by origin: AuditOrigin,
        of exportID: ExportID? = nil,
        _ details: [String: String?] = [:]
    ) -> AuditEntry {
        let now = moment ?? time.now()
        let known = details.compactMapValues { $0 }.sorted { $0.key < $1.key }.prefix(AuditEntry.mostDetails)
        return key.stamp(
            AuditEntry(
                id: random.newID(at: now),
                time: now,
                action: action,
                outcome: outcome,
                caller: origin.caller.map(Self.cut),
                address: origin.address.map(Self.cut),
                requestID: origin.requestID.map(Self.cut),
                exportID: exportID,
                details: Dictionary(known.map { (Self.cut($0.key), Self.cut($0.value)) }) { first, _ in first }
            )
        )
    }

    /// A text that every ledger can store, and of a bounded length.
    private static func cut(_ text: String) -> String {
        let clean = text.unicodeScalars.contains { $0.value == 0 } ? text.filter { $0 != "\0" } : text
        guard clean.utf8.count > AuditEntry.longestText else { return clean }
        var (cut, length) = (String.UnicodeScalarView(), 0)
        for scalar in clean.unicodeScalars {
            length += UTF8.width(scalar)
            guard length <= AuditEntry.longestText else { break }
            cut.append(scalar)
        }
        return String(cut)
    }
}

/// Who acts, and from where.
public struct AuditOrigin: Sendable, Hashable {
    public var caller: String?
    public var address: String?
    public var requestID: String?

    /// Names an origin.
    public init(caller: String?, address: String? = nil, requestID: String? = nil) {
        (self.caller, self.address, self.requestID) = (caller, address, requestID)
    }

    /// The viewer of a request.
    public init(_ viewer: Viewer) {
        self.init(caller: viewer.callerID ?? Viewer.anonymousID, address: viewer.address, requestID: viewer.requestID)
    }

    /// The rules of the retention.
    public static let retention = AuditOrigin(caller: Delivery.gatewayItself)
}

extension UTF8 {
    fileprivate static func width(_ scalar: Unicode.Scalar) -> Int { UTF8.encode(scalar)?.count ?? 4 }
}
