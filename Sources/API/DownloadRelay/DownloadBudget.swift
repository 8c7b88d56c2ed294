import Exports
import Memory
import Metrics
import Synchronization

/// The limits of downloads under way. A download reserves memory before it opens its upstream, and releases it when it has ended.
///
/// A download reserves the most memory that it uses when many are under way, whatever the length of the file and the speed of
/// the client: ``plainCost``, and with a coding the encoder's own constant (`DownloadEncoder.memoryPerStream`). While few are under
/// way, upstreams are read in larger pieces, which use at most 32 MiB more over all downloads.
///
/// `HEAD`, 304 and refusals take nothing.
public final class DownloadBudget: Sendable {
    /// Bytes that each download reserves: a piece of 8 KiB to 16 KiB at each of the four places where one can be held (two in
    /// the upstream's connection, one that is being written, one in the client's connection), and what the two connections
    /// and the task themselves take. Five hundred slow clients take less, each, in the tests.
    public static let plainCost = 128 << 10

    private let memory: MemoryBudget
    private let state: Mutex<DownloadAccount>
    private let refusedForCaller: Counter
    private let refusedForMemory: Counter
    private let underWay: Meter

    /// Makes a budget.
    ///
    /// - Parameters:
    ///   - perCaller: Downloads of one caller at a time.
    ///   - memory: The budget for the memory of all downloads.
    init(perCaller: Int, memory: MemoryBudget, metrics: any MetricsFactory) {
        self.memory = memory
        state = Mutex(DownloadAccount(perCaller: perCaller))
        func refused(_ reason: String) -> Counter {
            Counter(label: "export_gateway_downloads_refused_total", dimensions: [("reason", reason)], factory: metrics)
        }
        refusedForCaller = refused("caller-limit")
        refusedForMemory = refused("memory-limit")
        underWay = Meter(label: "export_gateway_downloads_under_way", factory: metrics)
        underWay.set(0)
    }

    /// Reserves memory for one download, until the reservation is released.
    ///
    /// Throws `tooManyRequests` with `retryAfter` when the caller has reached its limit of downloads, or no memory is left. The
    /// member `quota` says which limit it is, and how many downloads it allows. For the memory, that is the number at present,
    /// if all cost as much as this one.
    ///
    /// - Parameter most: How many downloads the caller may have; nil: as many as every caller.
    func reserve(
        _ bytes: Int,
        for caller: String,
        of export: ExportID,
        atMost most: Int? = nil
    ) throws(GatewayError) -> DownloadReservation {
        let limit = state.withLock { account in
            let isTaken = account.take(for: caller, of: export, atMost: most)
            if isTaken { show(account) }
            return isTaken ? nil : most ?? account.perCaller
        }
        if let limit { throw callerRefusal(limit) }
        do {
            return reservation(try memory.reserve(bytes, .download)) { $0.give(backBy: caller, of: export) }
        } catch {
            state.withLock { account in
                account.give(backBy: caller, of: export)
                show(account)
            }
            refusedForMemory.increment()
            throw Self.refusal(
                Quota(.all, limit: memory.limit(of: .download) / max(1, bytes)),
                "The gateway has no memory for a further download. Try again when some of the downloads under way have ended."
            )
        }
    }

    /// Reserves like `reserve(_:for:of:atMost:)`, and takes the caller's place among the downloads of all processes that serve callers.
    /// Throws first what `Recipient.mayBegin` throws.
    func reserve(
        _ bytes: Int,
        for recipient: Recipient,
        of export: ExportID
    ) async throws(GatewayError) -> DownloadReservation {
        try recipient.mayBegin()
        let reservation = try reserve(bytes, for: recipient.caller, of: export, atMost: recipient.downloads)
        let limit = recipient.downloads ?? state.withLock { $0.perCaller }
        guard let place = try await recipient.place(limit) else { throw callerRefusal(limit) }
        reservation.hold(place)
        return reservation
    }

    private func callerRefusal(_ limit: Int) -> GatewayError {
        refusedForCaller.increment()
        return Self.refusal(
            Quota(.perCaller, limit: limit),
            "This caller has \(limit) downloads under way, which is the most that one caller may have. "
                + "Try again when one of them has ended."
        )
    }

    /// Reserves memory for one measurement; nil while half of the memory for downloads is taken, or a caller downloads of
    /// `export`.
    func reserveSpare(_ bytes: Int, besides export: ExportID) -> DownloadReservation? {
        let half = memory.maximum(of: .download) / 2
        // The check and the reservation happen under one lock, so that no download of this export begins in between.
        let spare = state.withLock { account -> MemoryReservation? in
            guard !account.isServing(export) else { return nil }
            return try? memory.reserve(bytes, .download, upTo: half, isCounted: false)
        }
        return spare.map { reservation($0) { _ in } }
    }

    /// Whether a caller downloads files of this export.
    func isServing(_ export: ExportID) -> Bool { state.withLock { $0.isServing(export) } }

    /// Downloads of callers.
    var downloadsUnderWay: Int { state.withLock { $0.underWay } }

    private func reservation(
        _ reserved: MemoryReservation,
        _ giveBack: @escaping @Sendable (inout DownloadAccount) -> Void
    ) -> DownloadReservation {
        DownloadReservation {
            self.state.withLock { account in
                giveBack(&account)
                self.show(account)
            }
            reserved.release()
        }
    }

    /// Called while the lock is held, so that an older value never overwrites a newer one.
    private func show(_ account: DownloadAccount) { underWay.set(account.underWay) }

    private static func refusal(_ quota: Quota, _ detail: String) -> GatewayError {
        GatewayError(.tooManyRequests, detail, retryAfter: .seconds(5), members: .quota(quota))
    }
}

/// The memory that is reserved for a download or a measurement. It is released when its body has ended, or with the last
/// reference.
final class DownloadReservation: Sendable {
    private let giveBack: @Sendable () -> Void
    private let isReleased = Mutex(false)
    private let place = Mutex<DownloadPlace?>(nil)

    fileprivate init(giveBack: @escaping @Sendable () -> Void) {
        self.giveBack = giveBack
    }

    deinit { release() }

    /// Keeps a place until the reservation is released.
    fileprivate func hold(_ place: DownloadPlace) { self.place.withLock { $0 = place } }

    /// Releases the memory now; once.
    func release() {
        let isFirst = isReleased.withLock { isReleased in
            defer { isReleased = true }
            return !isReleased
        }
        guard isFirst else { return }
        giveBack()
        place.withLock { place in
            defer { place = nil }
            return place
        }?
        .giveBack()
    }
}

/// Which downloads are under way, and whose: the decisions of `DownloadBudget`.
struct DownloadAccount: Sendable {
    let perCaller: Int
    private var callers: [String: Int] = [:]
    /// The exports whose files callers download.
    private var exports: [ExportID: Int] = [:]

    init(perCaller: Int) {
        self.perCaller = perCaller
    }

    /// Downloads under way.
    var underWay: Int { callers.values.reduce(0, +) }

    /// Adds a download. False, without a change, when the caller has reached its limit: `most`, or that of every caller.
    mutating func take(for caller: String, of export: ExportID, atMost most: Int? = nil) -> Bool {
        let mine = callers[caller, default: 0]
        guard mine < most ?? perCaller else { return false }
        callers[caller] = mine + 1
        exports[export, default: 0] += 1
        return true
    }

    /// One has ended.
    mutating func give(backBy caller: String, of export: ExportID) {
        guard let mine = callers[caller] else { return }
        // The entry of a caller without downloads is removed, so that the table does not grow.
        callers[caller] = mine > 1 ? mine - 1 : nil
        if let count = exports[export] { exports[export] = count > 1 ? count - 1 : nil }
    }

    /// Whether a caller downloads files of this export.
    func isServing(_ export: ExportID) -> Bool { exports[export] != nil }
}
