public import Exports
public import Logging

/// The entry of one request in the access log.
public struct AccessRecord: Sendable {
    public var requestID: String
    /// A method that a standard defines, or `_OTHER`.
    public var method: String
    /// The route's pattern, or `none`. Never the path, because a client can invent any path.
    public var route: String
    public var status: Int
    public var duration: Duration
    /// The bytes of the answer's body.
    public var bytes: Int64
    public var caller: String?
    public var export: ExportID?
    public var code: ProblemCode?
    /// Whether the whole answer was sent.
    public var isComplete: Bool
    /// The id of the request's trace, where that is recorded: 32 hexadecimal digits.
    public var traceID: String?

    /// Makes a record of a request.
    public init(
        requestID: String,
        method: String,
        route: String,
        status: Int,
        duration: Duration,
        bytes: Int64,
        caller: String? = nil,
        export: ExportID? = nil,
        code: ProblemCode? = nil,
        isComplete: Bool = true,
        traceID: String? = nil
    ) {
        self.requestID = requestID
        self.method = method
        self.route = route
        self.status = status
        self.duration = duration
        self.bytes = bytes
        self.caller = caller
        self.export = export
        self.code = code
        self.isComplete = isComplete
        self.traceID = traceID
    }

    /// `info` for an answer that was sent, `warning` for one that was broken off.
    public var level: Logger.Level { isComplete ? .info : .warning }
    public var message: String { isComplete ? "request" : "request broken off" }

    /// The entry as metadata of a log event.
    public var metadata: Logger.Metadata {
        var metadata: Logger.Metadata = [
            "request_id": .string(requestID),
            "method": .string(method),
            "route": .string(route),
            "status": .stringConvertible(status),
            "duration_ms": .stringConvertible(duration.milliseconds),
            "bytes": .stringConvertible(bytes),
        ]
        if let caller { metadata["caller"] = .string(caller) }
        if let export { metadata["export"] = .stringConvertible(export) }
        if let code { metadata["code"] = .string(code.rawValue) }
        if let traceID { metadata["trace_id"] = .string(traceID) }
        return metadata
    }
}

/// The destination of access log entries. A log handler that conforms to it gets the records themselves; all others get log
/// events.
public protocol AccessLog: Sendable {
    /// Writes the line of a request. Never waits, never fails.
    func write(_ record: AccessRecord)
}

/// Writes access log entries as events of a logger.
public struct LoggerAccessLog: AccessLog {
    private let logger: Logger

    /// Makes an access log of a logger.
    public init(logger: Logger) {
        self.logger = logger
    }

    public func write(_ record: AccessRecord) {
        logger.log(level: record.level, "\(record.message)", metadata: record.metadata)
    }
}
