/// One transfer of a file, or of a part of it, to a caller, or one reading of it by the gateway itself. It is a record in the
/// chain of custody of what was exported.
public struct Delivery: Sendable, Hashable, Codable {
    /// Who read the bytes.
    public enum Kind: String, Sendable, Hashable, Codable, CaseIterable {
        /// A caller.
        case delivery
        /// The gateway itself, to determine the file's length and digest.
        case measurement
    }

    /// How a delivery ended, if it has.
    public enum Outcome: String, Sendable, Hashable, Codable, CaseIterable {
        /// It has not ended.
        case underWay
        /// Every requested byte was passed to the caller's connection, and matched the record.
        case whole
        /// It was broken off, visibly for the client: the upstream failed, or what it sent was not the file.
        case broken
        /// The caller closed the connection before the end, or a measurement was given up.
        case abandoned
    }

    /// The reason of a delivery that was under way when the gateway was killed. The gateway finds its row at the next start.
    public static let gatewayStopped = "gateway-stopped"

    /// The caller in the row of a measurement.
    public static let gatewayItself = "export-gateway"

    /// UUIDv7: sorts by the time of the start.
    public var id: ExportID
    public var kind = Kind.delivery
    public var exportID: ExportID
    /// The file's id; nil for all files of the export in one archive.
    public var fileID: String?
    /// The authenticated caller.
    public var caller: String
    /// The request's id (`X-Request-Id`).
    public var requestID: String
    public var startedAt: Timestamp
    /// When it ended; nil while it is under way.
    public var endedAt: Timestamp?
    /// The coding of the bytes: `identity`, `gzip`, `zstd`, or `zip` for an archive.
    public var coding: String
    /// The first byte of the requested part; nil for a whole file.
    public var rangeFirst: Int64?
    /// The last byte of the requested part, inclusive.
    public var rangeLast: Int64?
    /// The bytes that were sent, encoded.
    public var bytesSent: Int64
    /// The bytes of the file that they encode.
    public var fileBytes: Int64
    /// Lower-case hexadecimal SHA-256 of the unencoded file; only after a whole file.
    public var sha256: String?
    /// How often the upstream broke off and the download was resumed, unnoticed by the caller.
    public var resumptions: Int
    public var outcome: Outcome
    /// Why it was broken, or a measurement given up: a metric label, no free text.
    public var reason: String?
    /// Which use of a download ticket it is; nil for a request with a credential.
    public var ticket: TicketUse?
    /// What it found of each file that it read to its proper end, or whose length differs from the record. Evidence for the
    /// export's record; not part of the delivery's row.
    public var readings: [FileReading]
    /// The address of the client, for the audit trail; not part of the delivery's row.
    public var address: String?

    /// Makes a record of a delivery. The values that are nil or 0 here are set when they are known.
    public init(
        id: ExportID,
        exportID: ExportID,
        fileID: String?,
        caller: String,
        requestID: String,
        startedAt: Timestamp,
        endedAt: Timestamp?,
        coding: String,
        outcome: Outcome
    ) {
        self.id = id
        self.exportID = exportID
        self.fileID = fileID
        self.caller = caller
        self.requestID = requestID
        self.startedAt = startedAt
        self.endedAt = endedAt
        self.coding = coding
        bytesSent = 0
        fileBytes = 0
        resumptions = 0
        self.outcome = outcome
        readings = []
    }
}

/// One use of a download ticket: the delivery of a file, or of a part of it, to whoever has the ticket's address.
public struct TicketUse: Sendable, Hashable, Codable {
    /// The ticket's id.
    public var ticket: ExportID
    /// 1 for the first use. Each number is given out once, so that of two uses at the same time one is refused.
    public var number: Int

    /// Names a use.
    public init(ticket: ExportID, number: Int) {
        self.ticket = ticket
        self.number = number
    }
}

/// One page of deliveries, oldest first.
public struct DeliveryPage: Sendable, Hashable {
    public var deliveries: [Delivery]
    /// Whether later deliveries match too.
    public var hasMore: Bool
    /// How many were left out because their rows cannot be read.
    public var unreadable: Int
    /// The delivery after which the next page begins, if there is more. A page at whose end deliveries cannot be read has fewer
    /// than were asked for, or none.
    public var next: ExportID?

    /// Makes a page. Without `next`, the next one begins after its last delivery.
    public init(deliveries: [Delivery], hasMore: Bool, unreadable: Int = 0, next: ExportID? = nil) {
        self.deliveries = deliveries
        self.hasMore = hasMore
        self.unreadable = unreadable
        self.next = hasMore ? next ?? deliveries.last?.id : nil
    }
}
