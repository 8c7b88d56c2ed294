import Exports
public import Metrics
import Synchronization

/// How much of the process all downloads together may take.
public struct DownloadLimits: Sendable, Hashable {
    /// Bytes of memory over all downloads; each reserves its constant (see ``DownloadBudget``).
    public var memory: Int
    /// Downloads of one caller at a time.
    public var perCaller: Int

    /// Makes limits; the defaults let five hundred clients of one caller through at once.
    public init(memory: Int = 2 << 30, perCaller: Int = 512) {
        self.memory = memory
        self.perCaller = perCaller
    }
}

/// The account of the downloads under way: asked before a download opens its upstream, and told when it has ended.
///
/// A download reserves the most memory that it takes when many are under way, whatever the length of the file and the pace
/// of the client: ``plainCost``, and with gzip the encoder's own constant (`GzipEncoder.memoryPerStream`). While few are
/// under way, upstreams are read in larger pieces, which are 32 MiB more over all downloads at most.
///
/// `HEAD`, 304 and refusals take nothing.
public final class DownloadBudget: Sendable {
    /// Bytes that each download reserves: a piece of 8 KiB to 16 KiB at each of the four places where one can be held (two in
    /// the upstream's connection, one that is being written, one in the client's connection), and what the two connections
    /// and the task themselves take. Five hundred slow clients take less, each, in the tests.
    public static let plainCost = 128 << 10

    private let state: Mutex<DownloadAccount>
    private let refusedForCaller: Counter
    private let refusedForMemory: Counter
    private let underWay: Meter
    private let reserved: Meter

    /// Opens an account.
    public init(limits: DownloadLimits = DownloadLimits(), metrics: any MetricsFactory) {
        state = Mutex(DownloadAccount(limits: limits))
        func refused(_ limit: String) -> Counter {
            Counter(label: "export_gateway_downloads_refused_total", dimensions: [("limit", limit)], factory: metrics)
        }
        refusedForCaller = refused("caller")
        refusedForMemory = refused("memory")
        underWay = Meter(label: "export_gateway_downloads_under_way", factory: metrics)
        reserved = Meter(label: "export_gateway_downloads_reserved_bytes", factory: metrics)
        underWay.set(0)
        reserved.set(0)
    }

    /// Makes room for one download, until the reservation is let go of.
    ///
    /// Throws `tooManyRequests` with `retryAfter` when the caller has as many downloads as one may have, or there is no
    /// memory left. The member `quota` tells which limit it is and how many it lets through.
    func reserve(_ bytes: Int, for caller: String, of export: ExportID) throws(GatewayError) -> DownloadReservation {
        let refusal = state.withLock { account in
            let refusal = account.take(bytes, for: caller, of: export)
            if refusal == nil { show(account) }
            return refusal
        }
        switch refusal {
        case nil: return reservation { $0.give(back: bytes, of: caller, of: export) }
        case .caller(let limit):
            refusedForCaller.increment()
            throw Self.refusal(
                "downloads-per-caller",
                limit,
                "This caller has \(limit) downloads under way, which is as many as one may have. "
                    + "Try again when one of them has ended."
            )
        case .memory(let limit):
            refusedForMemory.increment()
            throw Self.refusal(
                "downloads",
                limit,
                "The gateway has as many downloads under way as its memory is for. Try again when some of them have ended."
            )
        }
    }

    /// Makes room for one measurement; nil while half of the memory is taken, or a caller downloads of `export`.
    func reserveSpare(_ bytes: Int, besides export: ExportID) -> DownloadReservation? {
        let isTaken = state.withLock { account in
            let isTaken = account.takeSpare(bytes, besides: export)
            if isTaken { show(account) }
            return isTaken
        }
        return isTaken ? reservation { $0.giveBackSpare(bytes) } : nil
    }

    /// Whether a caller downloads files of this export.
    func isServing(_ export: ExportID) -> Bool { state.withLock { $0.isServing(export) } }

    /// Downloads of callers.
    var downloadsUnderWay: Int { state.withLock { $0.underWay } }

    private func reservation(
        _ giveBack: @escaping @Sendable (inout DownloadAccount) -> Void
    ) -> DownloadReservation {
        DownloadReservation {
            self.state.withLock { account in
                giveBack(&account)
                self.show(account)
            }
        }
    }

    /// Called under the lock, so that an older figure never comes last.
    private func show(_ account: DownloadAccount) {
        underWay.set(account.underWay)
        reserved.set(account.reserved)
    }

    private static func refusal(_ name: String, _ limit: Int, _ detail: String) -> GatewayError {
        GatewayError(
            .tooManyRequests,
            detail,
            retryAfter: .seconds(5),
            members: [
                "quota": [
                    "name": .string(name), "limit": .integer(Int64(limit)), "unit": "concurrent-requests",
                ]
            ]
        )
    }
}

/// The room that a download or a measurement has in the budget: given back when its body has ended, or when it is let go of before.
final class DownloadReservation: Sendable {
    private let giveBack: @Sendable () -> Void
    private let isReleased = Mutex(false)

    fileprivate init(giveBack: @escaping @Sendable () -> Void) {
        self.giveBack = giveBack
    }

    deinit { release() }

    /// Gives the room back now; once.
    func release() {
        let isFirst = isReleased.withLock { isReleased in
            defer { isReleased = true }
            return !isReleased
        }
        if isFirst { giveBack() }
    }
}

/// What is reserved, and by whom: the decisions of `DownloadBudget`.
struct DownloadAccount: Sendable {
    /// Why there is no room, and how many such downloads there is room for.
    enum Refusal: Hashable {
        case caller(limit: Int)
        case memory(limit: Int)
    }

    let limits: DownloadLimits
    private(set) var reserved = 0
    private var callers: [String: Int] = [:]
    /// The exports whose files callers download.
    private var exports: [ExportID: Int] = [:]

    init(limits: DownloadLimits) {
        self.limits = limits
    }

    /// Downloads under way.
    var underWay: Int { callers.values.reduce(0, +) }

    /// Reserves; or says why not, and changes nothing.
    mutating func take(_ bytes: Int, for caller: String, of export: ExportID) -> Refusal? {
        let mine = callers[caller, default: 0]
        guard mine < limits.perCaller else { return .caller(limit: limits.perCaller) }
        guard bytes <= limits.memory - reserved else { return .memory(limit: limits.memory / max(1, bytes)) }
        callers[caller] = mine + 1
        exports[export, default: 0] += 1
        reserved += bytes
        return nil
    }

    /// Gives back what was taken.
    mutating func give(back bytes: Int, of caller: String, of export: ExportID) {
        guard let mine = callers[caller] else { return }
        // Callers that have gone leave nothing behind.
        callers[caller] = mine > 1 ? mine - 1 : nil
        if let count = exports[export] { exports[export] = count > 1 ? count - 1 : nil }
        reserved -= bytes
    }

    /// Whether a caller downloads files of this export.
    func isServing(_ export: ExportID) -> Bool { exports[export] != nil }

    /// Reserves for a measurement, which counts for no caller and leaves half of the memory to them: false where that
    /// cannot be, or a caller downloads of `export`, and nothing has changed.
    mutating func takeSpare(_ bytes: Int, besides export: ExportID) -> Bool {
        guard !isServing(export), bytes <= limits.memory / 2 - reserved else { return false }
        reserved += bytes
        return true
    }

    /// Gives back what a measurement took.
    mutating func giveBackSpare(_ bytes: Int) { reserved -= bytes }
}
