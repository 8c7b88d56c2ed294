import Exports
import Logging
import Metrics
import SystemCrypto

/// What is counted, logged and written down of one download.
struct DownloadRecord: Sendable {
    var export: ExportID
    var file: String
    var coding: ContentCoding
    var part: FilePart?
    /// The length of the plain file, where it is known.
    var announced: Int64?
    var upstreamRequestID: String?
    var recipient: Recipient
    var tools: StreamTools
    var startedAt: Timestamp

    private var meters: DownloadMeters { tools.meters }
    private var logger: Logger { tools.logger }

    /// How a body came to its end.
    enum End {
        case whole
        /// The client took no more.
        case clientLeft(any Error)
        /// The client has a part of what it wanted, and is going to see that.
        case broke(DownloadFailure)
    }

    /// Bytes were taken by the client.
    func delivered(_ count: Int) {
        meters.bytes(coding).increment(by: count)
    }

    /// The body has ended: counts it, logs it, and has it written down, also in a cancelled task.
    func ended(_ end: End, _ stream: FileStream, sent: Int64) async {
        var delivery = delivery(sent: sent, stream)
        var metadata = metadata(stream, sent)
        switch end {
        case .whole:
            delivery.outcome = .whole
            delivery.sha256 = stream.sha256.map { Hexadecimal.encode($0) }
            meters.whole.increment()
            logger.info("download finished", metadata: metadata)
        case .clientLeft(let error):
            delivery.outcome = .abandoned
            meters.clientGone.increment()
            metadata["error"] = "\(type(of: error))"
            logger.info("download abandoned by the client", metadata: metadata)
        case .broke(let failure):
            delivery.reason = failure.label
            meters.broke(failure.code)
            metadata["reason"] = "\(failure.label)"
            switch failure.cause {
            case let cause as ProviderError: metadata["cause"] = "\(cause.label)"
            case let cause?: metadata["cause"] = "\(type(of: cause))"
            case nil: break
            }
            logger.warning("download broken", metadata: metadata)
        }
        let record = recipient.record
        let finished = delivery
        // A task of its own, awaited: what was delivered is written down even if this task has been cancelled.
        await Task { await record(finished) }.value
    }

    private func delivery(sent: Int64, _ stream: FileStream) -> Delivery {
        var generator = HandedRandom(source: tools.random)
        var delivery = Delivery(
            id: ExportID(at: startedAt, random: &generator),
            exportID: export,
            fileID: file,
            caller: recipient.caller,
            requestID: recipient.requestID,
            startedAt: startedAt,
            endedAt: tools.time.now(),
            coding: coding.rawValue,
            outcome: .broken
        )
        delivery.rangeFirst = part?.first
        delivery.rangeLast = part?.last
        delivery.bytesSent = sent
        delivery.fileBytes = stream.given
        delivery.resumptions = stream.resumptions
        return delivery
    }

    private func metadata(_ stream: FileStream, _ sent: Int64) -> Logger.Metadata {
        var metadata: Logger.Metadata = [
            "export": "\(export)",
            "file": "\(file)",
            "coding": "\(coding.rawValue)",
            "received": "\(stream.received)",
            "sent": "\(sent)",
        ]
        if stream.resumptions > 0 { metadata["resumptions"] = "\(stream.resumptions)" }
        if let part { metadata["range"] = "\(part.contentRange)" }
        if let announced { metadata["announced"] = "\(announced)" }
        if let upstreamRequestID { metadata["upstreamRequestID"] = "\(upstreamRequestID)" }
        return metadata
    }
}

/// Randomness that was handed in, in Swift's form.
struct HandedRandom: RandomNumberGenerator {
    let source: @Sendable () -> UInt64

    mutating func next() -> UInt64 { source() }
}
