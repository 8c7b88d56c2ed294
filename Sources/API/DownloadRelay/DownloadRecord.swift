import Exports
import Logging
import Metrics
import SystemCrypto

/// Counts, logs and stores one download.
struct DownloadRecord: Sendable {
    /// The delivery's.
    let id: ExportID
    let kind: Delivery.Kind
    let export: ExportID
    /// Nil for all files in an archive.
    let file: String?
    let form: DownloadForm
    let part: FilePart?
    /// The length of the plain file, where it is known.
    let announced: Int64?
    let upstreamRequestID: String?
    let recipient: Recipient
    let reporting: DownloadReporting
    let time: any TimeSource
    let startedAt: Timestamp

    init(
        id: ExportID,
        kind: Delivery.Kind = .delivery,
        export: ExportID,
        file: String?,
        form: DownloadForm,
        part: FilePart? = nil,
        announced: Int64?,
        upstreamRequestID: String? = nil,
        recipient: Recipient,
        reporting: DownloadReporting,
        time: any TimeSource,
        startedAt: Timestamp
    ) {
        self.id = id
        self.kind = kind
        self.export = export
        self.file = file
        self.form = form
        self.part = part
        self.announced = announced
        self.upstreamRequestID = upstreamRequestID
        self.recipient = recipient
        self.reporting = reporting
        self.time = time
        self.startedAt = startedAt
    }

    private var meters: DownloadMeters { reporting.meters }
    private var logger: Logger { reporting.logger }

    /// How a body came to its end.
    enum End {
        case whole
        /// The client left.
        case clientLeft(any Error)
        /// The client has only a part of what it requested, and will see that.
        case broke(DownloadFailure)
        /// A measurement was given up.
        case givenUp(reason: String)
    }

    /// The body begins. This is stored before anything is sent, so that a delivery is known even if the process is killed. Throws
    /// where nothing may be sent.
    func began() async throws(DownloadFailure) {
        let delivery = delivery(DownloadProgress(), .underWay)
        guard let begin = recipient.begin else { return await write(delivery) }
        guard await Task(operation: { await begin(delivery) }).value else {
            throw DownloadFailure(.ticketInUse, "Another download was begun with the ticket at the same time.")
        }
    }

    /// Bytes were taken by the client.
    func delivered(_ count: Int) {
        meters.delivered(count, as: form)
    }

    /// The body has ended. Counts, logs and stores it, also in a cancelled task.
    func ended(_ end: End, _ progress: DownloadProgress) async {
        var delivery = delivery(progress, .broken)
        delivery.endedAt = time.now()
        var metadata = metadata(progress)
        switch end {
        case .whole:
            delivery.outcome = .whole
            // Not for a part, even if the whole file was read: the digest is not that of the bytes that were sent.
            if part == nil { delivery.sha256 = progress.sha256.map { Hexadecimal.encode($0) } }
            if isMeasurement {
                logger.info("measurement finished", metadata: metadata)
            } else {
                meters.whole.increment()
                logger.info("download finished", metadata: metadata)
            }
        case .clientLeft(let error):
            delivery.outcome = .abandoned
            meters.abandoned.increment()
            metadata["error"] = "\(type(of: error))"
            logger.info("download abandoned by the client", metadata: metadata)
        case .broke(let failure):
            delivery.reason = failure.label
            metadata["reason"] = "\(failure.label)"
            switch failure.cause {
            case let cause as ProviderError: metadata["cause"] = "\(cause.label)"
            case let cause?: metadata["cause"] = "\(type(of: cause))"
            case nil: break
            }
            if isMeasurement {
                logger.notice("measurement broken", metadata: metadata)
            } else {
                meters.broke(failure.code)
                logger.warning("download broken", metadata: metadata)
            }
        case .givenUp(let reason):
            delivery.outcome = .abandoned
            delivery.reason = reason
            metadata["reason"] = "\(reason)"
            logger.info("measurement given up", metadata: metadata)
        }
        await write(delivery)
    }

    /// A measurement was given up.
    func givenUp(_ outcome: MeasurementOutcome, _ progress: DownloadProgress) async -> MeasurementOutcome {
        await ended(.givenUp(reason: outcome.rawValue), progress)
        return outcome
    }

    private var isMeasurement: Bool { kind == .measurement }

    /// Stores it in a task of its own, and awaits it: a delivery is stored even if this task has been cancelled.
    private func write(_ delivery: Delivery) async {
        let record = recipient.record
        await Task { await record(delivery) }.value
    }

    private func delivery(_ progress: DownloadProgress, _ outcome: Delivery.Outcome) -> Delivery {
        var delivery = Delivery(
            id: id,
            exportID: export,
            fileID: file,
            caller: recipient.caller,
            requestID: recipient.requestID,
            startedAt: startedAt,
            endedAt: nil,
            coding: form.rawValue,
            outcome: outcome
        )
        delivery.kind = kind
        delivery.ticket = recipient.ticket
        delivery.rangeFirst = part?.first
        delivery.rangeLast = part?.last
        delivery.bytesSent = progress.sent
        delivery.fileBytes = progress.given
        delivery.resumptions = progress.resumptions
        delivery.readings = progress.readings
        return delivery
    }

    private func metadata(_ progress: DownloadProgress) -> Logger.Metadata {
        var metadata: Logger.Metadata = [
            "export": "\(export)",
            "coding": "\(form.rawValue)",
            "received": "\(progress.received)",
            "sent": "\(progress.sent)",
        ]
        if let file { metadata["file"] = "\(file)" }
        if progress.resumptions > 0 { metadata["resumptions"] = "\(progress.resumptions)" }
        if let part { metadata["range"] = "\(part.contentRange)" }
        if let announced { metadata["announced"] = "\(announced)" }
        if let upstreamRequestID { metadata["upstreamRequestID"] = "\(upstreamRequestID)" }
        return metadata
    }
}

/// The progress of a download.
struct DownloadProgress: Sendable {
    /// The bytes that the client took, encoded.
    var sent: Int64 = 0
    /// Bytes that upstreams sent.
    private(set) var received: Int64 = 0
    /// The bytes of files that were passed on.
    private(set) var given: Int64 = 0
    private(set) var resumptions = 0
    /// The readings of the files.
    private(set) var readings: [FileReading] = []
    /// Of the one file.
    private(set) var sha256: [UInt8]?

    /// That of an archive, before its first file.
    init() {}

    /// That of one file.
    init(sent: Int64, _ stream: FileStream) {
        self.sent = sent
        add(stream)
        sha256 = stream.sha256
    }

    /// A file has ended.
    mutating func add(_ stream: FileStream) {
        received += stream.received
        given += stream.given
        resumptions += stream.resumptions
        if let reading = stream.reading { readings.append(reading) }
    }

    /// A file was not read, because of its announced length.
    mutating func add(_ reading: FileReading) { readings.append(reading) }
}

/// The form of a download. The raw value is stored with a delivery, and is a metric label.
enum DownloadForm: String, Sendable, CaseIterable {
    case identity
    case gzip
    case zstd
    case zip

    init(_ coding: ContentCoding) {
        switch coding {
        case .identity: self = .identity
        case .gzip: self = .gzip
        case .zstd: self = .zstd
        }
    }
}
