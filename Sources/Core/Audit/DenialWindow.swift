public import Exports

/// A request that was refused with 401 or 403.
public struct AuditDenial: Sendable, Hashable {
    public var origin: AuditOrigin
    /// The problem's code.
    public var code: ProblemCode
    /// The method, a space, and the route's pattern: never the path, which a client can make up.
    public var request: String
    public var exportID: ExportID?

    /// Names a denial.
    public init(origin: AuditOrigin, code: ProblemCode, request: String, exportID: ExportID?) {
        (self.origin, self.code, self.request, self.exportID) = (origin, code, request, exportID)
    }
}

/// Bounds the denials that become rows: of each caller and minute the first ones, and the number of the others. A value without I/O.
///
/// Where nobody is authenticated, the address stands for the caller. Beyond a number of callers in one minute, all others count as one.
public struct DenialWindow: Sendable {
    /// The limits.
    public struct Limits: Sendable, Hashable {
        /// Rows of one caller in a minute.
        public var perCaller = 10
        /// Callers that are told from others in a minute.
        public var callers = 100
        public var length = Duration.seconds(60)

        /// The usual limits.
        public init() {}
    }

    /// Denials that became no rows of their own.
    public struct LeftOut: Sendable, Hashable {
        /// Nil for callers that were not told from others.
        public var caller: String?
        public var address: String?
        public var count: Int
    }

    private struct Caller: Hashable {
        var caller: String?
        var address: String?
    }

    private let limits: Limits
    private var begin: Duration?
    private var rows: [Caller: Int] = [:]
    private var leftOut: [Caller: Int] = [:]

    /// An empty window.
    public init(_ limits: Limits = Limits()) { self.limits = limits }

    /// Whether a denial becomes a row of its own. `now` is a time of `TimeSource.elapsed`; call `close` before, so that the window of
    /// the minute before has ended.
    public mutating func takes(_ denial: AuditDenial, at now: Duration) -> Bool {
        begin = begin ?? now
        var caller = Caller(caller: denial.origin.caller, address: nil)
        if caller.caller == nil { caller.address = denial.origin.address }
        if rows[caller] == nil, rows.count >= limits.callers { caller = Caller() }
        guard rows[caller, default: 0] < limits.perCaller else {
            leftOut[caller, default: 0] += 1
            return false
        }
        rows[caller, default: 0] += 1
        return true
    }

    /// Ends the window where its minute is over, or in any case. Returns what was left out of it.
    public mutating func close(at now: Duration, inAnyCase: Bool = false) -> [LeftOut] {
        guard let begin, inAnyCase || now - begin >= limits.length else { return [] }
        defer { (self.begin, rows, leftOut) = (nil, [:], [:]) }
        return leftOut.map { LeftOut(caller: $0.key.caller, address: $0.key.address, count: $0.value) }
            .sorted { ($0.caller ?? "", $0.address ?? "") < ($1.caller ?? "", $1.address ?? "") }
    }
}
