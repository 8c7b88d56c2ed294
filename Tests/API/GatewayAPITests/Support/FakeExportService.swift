import Exports
import JSON
import Synchronization

/// The engine as the HTTP face sees it: exports in a dictionary, and answers that a test can replace.
final class FakeExportService: ExportService {
    struct State {
        var exports: [ExportID: Export] = [:]
        var tombstones: [ExportID: ExportTombstone] = [:]
        /// What stands in the way of purging any export.
        var obstacle: PurgeObstacle?
        var deliveries: [Delivery] = []
        /// Whether files can be read with a caller's own token only.
        var needsCallerToken = false
        var drafts: [ExportDraft] = []
        /// Who sent the drafts.
        var creators: [Viewer] = []
        var keys: [String: (fingerprint: String, id: ExportID)] = [:]
        var refreshes = 0
        /// Whether exports are in memory, as those are that the engine was asked for before.
        var keepsSnapshots = false
        var snapshots: [ExportID: ExportSnapshot] = [:]
        /// Whether `find` and `watch` wait until the test tells them.
        var holds = false
        var finders: [@Sendable (ExportSnapshot?) -> Void] = []
        var watches: [FakeWatch] = []
        var viewers: [Viewer] = []
        /// Who waits for a change, and how long each wait could have lasted.
        var waiters: [ExportID: [Signal]] = [:]
        var waits: [Duration] = []
        var isReady = true
        var failure: GatewayError?
        var decisions: [SubmissionDecision] = []
        /// What was opened, canceled or asked for again: everything that another caller must not bring about.
        var effects: [String] = []
        /// Whether exports are created without a task, too.
        var createsWithoutTasks = true
        var changes: [ExportChange] = []
        var lastPosition: Int64 = 0
        /// The positions of changes that cannot be read.
        var unreadable: Set<Int64> = []
        var changeReads = 0
        /// What happens while a list or a present export is being read, once.
        var meanwhile: (@Sendable () -> Void)?
        var random = SystemRandomNumberGenerator()
    }

    let state = Mutex(State())
    let news = ChangeNews()
    let time: any TimeSource
    let providers: [ConfiguredProvider]
    /// What `open` gives; the default has no file.
    let opening: @Sendable (String) throws(GatewayError) -> FileBody
    /// Told that somebody waits, and that a wait was cancelled.
    let waiting = AsyncStream.makeStream(of: WaitEvent.self)

    enum WaitEvent: Sendable { case began, cancelled }

    init(
        time: any TimeSource,
        opening: @escaping @Sendable (String) throws(GatewayError) -> FileBody = { _ throws(GatewayError) in
            throw GatewayError(.upstreamBroken, "There is no upstream.")
        }
    ) {
        self.time = time
        self.opening = opening
        providers = [
            Self.provider("graph-ediscovery", "graphEDiscovery"), Self.provider("viva-goals", "vivaGoals"),
            Self.provider("power-bi", "powerBI"),
        ]
    }

    private static func provider(_ id: String, _ member: String) -> ConfiguredProvider {
        var capabilities = ProviderCapabilities(minimumPollInterval: .milliseconds(2500))
        capabilities.requestBudget = RequestBudget(5, per: .seconds(60))
        capabilities.downloadLifetime = .seconds(86_400)
        capabilities.formats = ["PDF", "PPTX"]
        return ConfiguredProvider(
            descriptor: ProviderDescriptor(
                id: ProviderID(id),
                title: "The product \(id)",
                description: "Exports things.",
                optionsMember: member,
                optionsSchema: ["type": "object"],
                capabilities: capabilities,
                retirement: id == "viva-goals"
                    ? ProviderRetirement(retiredOn: "2025-12-31", detail: "Microsoft retired it.") : nil
            ),
            connections: ["contoso"]
        )
    }

    /// Puts an export there, as if it had been created and tracked.
    func put(_ status: ExportStatus = .running, _ change: (inout Export) -> Void = { _ in }) -> Export {
        let export = state.withLock { state in
            var export = Export(
                id: ExportID(at: time.now(), random: &state.random),
                provider: ProviderID("power-bi"),
                connection: "contoso",
                name: "Sales",
                createdAt: time.now(),
                createdBy: "tests",
                source: ["format": "PDF", "reportId": "5b218778-e7a5-4d73-8187-f10824047715"]
            )
            export.status = status
            change(&export)
            if export.isFinal { export.tracking = nil }
            state.exports[export.id] = export
            state.changed(export)
            return export
        }
        news.tell()
        return export
    }

    /// Changes an export, as the tracker does, and wakes who waits for that.
    func change(_ id: ExportID, _ change: (inout Export) -> Void) {
        let waiters = state.withLock { state -> [Signal] in
            guard var export = state.exports[id] else { return [] }
            change(&export)
            export.revision += 1
            state.exports[id] = export
            state.changed(export)
            return state.waiters.removeValue(forKey: id) ?? []
        }
        for waiter in waiters { waiter.fire() }
        news.tell()
    }

    func find(_ id: ExportID, for viewer: Viewer, then: @escaping @Sendable (ExportSnapshot?) -> Void) {
        let isHeld = state.withLock { state in
            if state.holds { state.finders.append(then) }
            return state.holds
        }
        if !isHeld { then(nil) }
    }

    func watch(
        _ id: ExportID,
        beyond revision: Int64,
        then: @escaping @Sendable (Export?) -> Void
    ) -> (any ExportWatch)? {
        state.withLock { state in
            guard state.holds else { return nil }
            let watch = FakeWatch(then)
            state.watches.append(watch)
            return watch
        }
    }

    func isReady() async -> Bool { state.withLock { $0.isReady } }

    func create(_ draft: ExportDraft, for viewer: Viewer) async throws(GatewayError) -> Creation {
        try result(of: draft, for: viewer).get()
    }

    func create(
        _ draft: ExportDraft,
        for viewer: Viewer,
        on run: @escaping @Sendable (@escaping @Sendable () -> Void) -> Void,
        then: @escaping @Sendable (Result<Creation, GatewayError>) -> Void
    ) -> Bool {
        guard state.withLock({ $0.createsWithoutTasks }), viewer.token == nil else { return false }
        let outcome = result(of: draft, for: viewer)
        run { then(outcome) }
        return true
    }

    private func result(of draft: ExportDraft, for viewer: Viewer) -> Result<Creation, GatewayError> {
        if let failure = state.withLock({ $0.failure }) { return .failure(failure) }
        defer { news.tell() }
        return state.withLock { state -> Result<Creation, GatewayError> in
            state.drafts.append(draft)
            state.creators.append(viewer)
            if let idempotency = draft.idempotency {
                let key = viewer.id + "|" + idempotency.key
                if let known = state.keys[key], let tombstone = state.tombstones[known.id] {
                    return .failure(.purged(tombstone))
                }
                if let known = state.keys[key], let export = state.exports[known.id] {
                    return known.fingerprint == idempotency.fingerprint
                        ? .success(Creation(export: export, isReplay: true))
                        : .failure(GatewayError(.idempotencyKeyReused, "The key was used for another body."))
                }
            }
            let export = Export(
                id: ExportID(at: time.now(), random: &state.random),
                provider: draft.provider,
                connection: draft.connection ?? "contoso",
                name: draft.name ?? "Unnamed",
                createdAt: time.now(),
                createdBy: viewer.id,
                source: draft.options
            )
            state.exports[export.id] = export
            state.changed(export)
            if let idempotency = draft.idempotency {
                state.keys[viewer.id + "|" + idempotency.key] = (idempotency.fingerprint, export.id)
            }
            return .success(Creation(export: export, isReplay: false))
        }
    }

    func export(
        _ id: ExportID,
        for viewer: Viewer,
        refresh: Bool
    ) async throws(GatewayError) -> Export {
        try fail()
        let export = try known(id, viewer)
        state.withLock { state in
            if refresh { state.refreshes += 1 }
            if refresh || viewer.token != nil { state.effects.append("asked again") }
            state.viewers.append(viewer)
        }
        return export
    }

    func snapshot(of id: ExportID, for viewer: Viewer) -> ExportSnapshot? {
        state.withLock { state in
            guard state.keepsSnapshots, state.failure == nil, let export = state.exports[id], viewer.maySee(export)
            else { return nil }
            if let snapshot = state.snapshots[id], snapshot.export == export { return snapshot }
            let snapshot = ExportSnapshot(export, after: state.snapshots[id])
            state.snapshots[id] = snapshot
            return snapshot
        }
    }

    func known(_ id: ExportID, _ viewer: Viewer) throws(GatewayError) -> Export {
        let (export, tombstone) = state.withLock { ($0.exports[id], $0.tombstones[id]) }
        if let tombstone, viewer.maySeeExports(of: tombstone.createdBy) { throw .purged(tombstone) }
        guard let export, viewer.maySee(export) else {
            throw GatewayError(.notFound, "There is no export with this id.")
        }
        return export
    }

    func export(
        _ id: ExportID,
        for viewer: Viewer,
        changedFrom revision: Int64,
        within timeout: Duration
    ) async throws(GatewayError) -> Export {
        _ = try known(id, viewer)
        let (deadline, signal) = (time.now() + timeout, Signal())
        state.withLock { state in
            state.effects.append("waited for")
            state.waits.append(timeout)
            state.waiters[id, default: []].append(signal)
        }
        waiting.continuation.yield(.began)
        // Read after the wait began: no change is missed.
        var export = try known(id, viewer)
        while export.revision == revision, !export.isFinal, time.now() < deadline, !Task.isCancelled {
            _ = await signal.wait(deadline: deadline, of: time)
            export = try known(id, viewer)
        }
        if Task.isCancelled { waiting.continuation.yield(.cancelled) }
        return export
    }

    func exports(
        matching filter: ExportFilter,
        for viewer: Viewer,
        before: ExportID?,
        limit: Int
    ) async throws(GatewayError) -> ExportPage {
        try fail()
        let (all, filter) = (state.withLock { Array($0.exports.values) }, viewer.narrowed(filter))
        let matching = all.filter { Self.matches($0, filter, before: before) }.sorted { $0.id > $1.id }
        let shown = matching.prefix(limit).map { ExportSnapshot($0) }
        passTime()
        return ExportPage(snapshots: shown, hasMore: matching.count > limit)
    }

    private static func matches(_ export: Export, _ filter: ExportFilter, before: ExportID?) -> Bool {
        if let provider = filter.provider, provider != export.provider { return false }
        if let status = filter.status, status != export.status { return false }
        if let connection = filter.connection, connection != export.connection { return false }
        if let owner = filter.createdBy, owner != export.createdBy { return false }
        if let after = filter.createdAfter, export.createdAt < after { return false }
        if let end = filter.createdBefore, export.createdAt >= end { return false }
        if let before, export.id >= before { return false }
        return true
    }

    func cancel(_ id: ExportID, for viewer: Viewer) async throws(GatewayError) -> Export {
        let known = try await export(id, for: viewer, refresh: false)
        state.withLock { $0.effects.append("canceled") }
        if !known.status.isTerminal {
            change(id) { export in
                export.status = .canceled
                export.cancellation = .unsupported
                export.completedAt = time.now()
            }
        }
        return try await export(id, for: viewer, refresh: false)
    }

    func resolve(
        _ id: ExportID,
        for viewer: Viewer,
        as decision: SubmissionDecision,
        revision: Int64?
    ) async throws(GatewayError) -> Export {
        try fail()
        let known = try known(id, viewer)
        state.withLock { state in
            state.viewers.append(viewer)
            state.effects.append("decided")
            state.decisions.append(decision)
        }
        if let revision, revision != known.revision { throw GatewayError(.preconditionFailed, "It has changed.") }
        guard known.status == .unknown else { throw GatewayError(.submissionKnown, "Nothing is to be decided.") }
        return known
    }

    func open(
        _ fileID: String,
        of id: ExportID,
        for viewer: Viewer,
        range: FileRange?
    ) async throws(GatewayError) -> FileBody {
        let file = try known(id, viewer).downloadableFile(fileID)
        state.withLock { state in
            state.viewers.append(viewer)
            state.effects.append("opened")
        }
        return try opening(file.id)
    }

    func beginUse(_ delivery: Delivery) async -> Bool {
        state.withLock { state in
            guard !state.deliveries.contains(where: { $0.ticket == delivery.ticket }) else { return false }
            state.deliveries.append(delivery)
            return true
        }
    }

    func uses(
        of ticket: ExportID,
        export id: ExportID,
        limit: Int
    ) async throws(GatewayError) -> [Delivery] {
        let all = state.withLock { $0.deliveries }
        return Array(all.filter { $0.ticket?.ticket == ticket && $0.exportID == id }.prefix(limit))
    }

    func needsCallerToken(for export: Export) -> Bool { state.withLock { $0.needsCallerToken } }

    func record(_ delivery: Delivery) async {
        state.withLock { state in
            state.deliveries.removeAll { $0.id == delivery.id }
            state.deliveries.append(delivery)
        }
    }

    func deliveries(
        of id: ExportID,
        for viewer: Viewer,
        requestID: String?,
        after: ExportID?,
        limit: Int
    ) async throws(GatewayError) -> DeliveryPage {
        _ = try known(id, viewer)
        let found = state.withLock { state in
            state.deliveries
                .filter { delivery in delivery.exportID == id && after.map { delivery.id > $0 } ?? true }
                .filter { delivery in requestID.map { delivery.requestID == $0 } ?? true }
                .sorted { $0.id < $1.id }
        }
        return DeliveryPage(deliveries: Array(found.prefix(limit)), hasMore: found.count > limit)
    }

    /// Lets happen what a test wants to happen meanwhile.
    func passTime() {
        let meanwhile = state.withLock { state in
            defer { state.meanwhile = nil }
            return state.meanwhile
        }
        meanwhile?()
    }

    func fail() throws(GatewayError) {
        if let failure = state.withLock({ $0.failure }) { throw failure }
    }
}

/// A watch that the test tells.
final class FakeWatch: ExportWatch {
    let tell: @Sendable (Export?) -> Void
    private let cancelled = Atomic(false)

    init(_ tell: @escaping @Sendable (Export?) -> Void) { self.tell = tell }

    var isCancelled: Bool { cancelled.load(ordering: .relaxed) }

    func cancel() { cancelled.store(true, ordering: .relaxed) }
}
