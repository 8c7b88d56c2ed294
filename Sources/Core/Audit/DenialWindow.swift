public import Exports
import InternetAddresses

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
/// An authenticated caller has a budget for each code, so that what an upstream refuses takes no place from what is refused here. Where
/// nobody is authenticated, the network stands for the caller: the IPv4 address, or the /64 of the IPv6 address. Beyond a number of
/// callers in one minute, all others count as one, and so do all other networks. Networks take no place from callers.
public struct DenialWindow: Sendable {
    /// The limits.
    public struct Limits: Sendable, Hashable {
        /// Rows of one caller and code, or of one network, in a minute.
        public var perCaller = 10
        /// Callers that are told from others in a minute, and so many networks.
        public var callers = 100
        public var length = Duration.seconds(60)

        /// The usual limits.
        public init() {}
    }

    /// Denials that became no rows of their own.
    public struct LeftOut: Sendable, Hashable {
        /// Nil where nobody was authenticated, and for callers that were not told from others.
        public var caller: String?
        /// The network; nil for callers, and for networks that were not told from others.
        public var address: String?
        /// Nil for networks.
        public var code: ProblemCode?
        public var count: Int
    }

    /// Who has a budget.
    fileprivate enum Source: Hashable {
        case caller(String, ProblemCode)
        case otherCallers(ProblemCode)
        case network(String)
        case otherNetworks
    }

    private let limits: Limits
    private var begin: Duration?
    private var callers: Set<String> = []
    private var networks: Set<String> = []
    private var rows: [Source: Int] = [:]
    private var leftOut: [Source: Int] = [:]

    /// An empty window.
    public init(_ limits: Limits = Limits()) { self.limits = limits }

    /// Whether a denial becomes a row of its own. `now` is a time of `TimeSource.elapsed`; call `close` before, so that the window of
    /// the minute before has ended.
    public mutating func takes(_ denial: AuditDenial, at now: Duration) -> Bool {
        begin = begin ?? now
        let source = source(of: denial)
        guard rows[source, default: 0] < limits.perCaller else {
            leftOut[source, default: 0] += 1
            return false
        }
        rows[source, default: 0] += 1
        return true
    }

    /// Ends the window where its minute is over, or in any case. Returns what was left out of it.
    public mutating func close(at now: Duration, inAnyCase: Bool = false) -> [LeftOut] {
        guard let begin, inAnyCase || now - begin >= limits.length else { return [] }
        let ended = leftOut
        self = DenialWindow(limits)
        return ended.map { LeftOut($0.key, count: $0.value) }
            .sorted { $0.order.lexicographicallyPrecedes($1.order) }
    }

    private mutating func source(of denial: AuditDenial) -> Source {
        if let caller = denial.origin.caller {
            return Self.admits(caller, to: &callers, limits.callers)
                ? .caller(caller, denial.code) : .otherCallers(denial.code)
        }
        guard let address = denial.origin.address else { return .otherNetworks }
        let network = IPRange(networkOf: address)?.description ?? address
        return Self.admits(network, to: &networks, limits.callers) ? .network(network) : .otherNetworks
    }

    private static func admits(_ name: String, to names: inout Set<String>, _ limit: Int) -> Bool {
        if names.contains(name) { return true }
        guard names.count < limit else { return false }
        names.insert(name)
        return true
    }
}

extension DenialWindow.LeftOut {
    fileprivate init(_ source: DenialWindow.Source, count: Int) {
        switch source {
        case .caller(let caller, let code): self.init(caller: caller, code: code, count: count)
        case .otherCallers(let code): self.init(code: code, count: count)
        case .network(let network): self.init(address: network, count: count)
        case .otherNetworks: self.init(count: count)
        }
    }

    fileprivate var order: [String] { [caller ?? "", address ?? "", code?.rawValue ?? ""] }
}
