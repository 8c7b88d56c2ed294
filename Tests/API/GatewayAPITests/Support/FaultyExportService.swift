import Exports

/// A way in which a service may break its contract.
enum ServiceFault: CaseIterable, Sendable {
    case isNotReady, createsTwice, createsTwiceWithoutATask, sharesKeys, showsOthers, listsAll, listsOldestFirst,
        ignoresLimit, ignoresFilter
    case showsOldState, opensTooEarly, cancelsTheEnded, cancelsNothing, decidesTheKnown, losesDeliveries
    case mixesRequests
    case snapshotsForOthers, waitsForOthers, cancelsForOthers, decidesForOthers, opensForOthers, deliveriesForOthers
    case losesChanges, tellsNobodyOfChanges, presentsOthers
    case usesTwice
    case retainsForOthers, purgesForOthers, purgesTheRetained, keepsTheReleased

    /// The case of the suite that finds it.
    var foundBy: String {
        switch self {
        case .retainsForOthers, .purgesForOthers: "another caller's export is not found, and stays as it is"
        case .purgesTheRetained, .keepsTheReleased: "an export is kept, and purged when it is released"
        case .isNotReady: "a service that works is ready"
        case .createsTwice: "the same key with the same body creates once"
        case .createsTwiceWithoutATask: "an export that is created without a task is like any other"
        case .sharesKeys: "each caller has its own keys"
        case .showsOthers, .snapshotsForOthers, .waitsForOthers, .cancelsForOthers, .decidesForOthers, .opensForOthers,
            .deliveriesForOthers:
            "another caller's export is not found, and stays as it is"
        case .listsAll: "a list has no others, whatever the filter says"
        case .listsOldestFirst: "a list has the exports that the viewer may see, newest first"
        case .ignoresLimit: "a page ends where the next one begins"
        case .ignoresFilter: "a filter takes what matches"
        case .showsOldState: "a wait ends with a change"
        case .opensTooEarly: "files are opened when they are there"
        case .cancelsTheEnded: "an ended export is not canceled"
        case .cancelsNothing: "an unfinished export is canceled"
        case .decidesTheKnown: "a start that is not in question is not decided"
        case .losesDeliveries: "a delivery is one row from its beginning to its end"
        case .losesChanges, .tellsNobodyOfChanges: "each change has its place, and whoever follows is told"
        case .presentsOthers: "an export after a change has that change"
        case .usesTwice: "a use of a ticket is given out once"
        case .mixesRequests: "deliveries of one request are told apart"
        }
    }
}

/// A fake with one fault, or none.
struct FaultyExportService: ExportService {
    private let fake: FakeExportService
    private let fault: ServiceFault?

    init(_ fake: FakeExportService, _ fault: ServiceFault?) {
        self.fake = fake
        self.fault = fault
    }

    private func viewer(_ viewer: Viewer, for fault: ServiceFault) -> Viewer { self.fault == fault ? .gateway : viewer }

    var providers: [ConfiguredProvider] { fake.providers }

    func changeRange() async throws(GatewayError) -> ChangeRange { try await fake.changeRange() }

    func changes(after position: Int64, limit: Int) async throws(GatewayError) -> ChangePage {
        var page = try await fake.changes(after: position, limit: limit)
        if fault == .losesChanges { page.changes.removeAll { $0.revision > 1 } }
        return page
    }

    func presentExport(_ id: ExportID, for viewer: Viewer) async throws(GatewayError) -> Export {
        try await fake.presentExport(id, for: self.viewer(viewer, for: .presentsOthers))
    }

    func export(after change: ExportChange) async throws(GatewayError) -> Export? {
        try await fake.export(after: change)
    }

    func onChanges(_ tell: @escaping @Sendable () -> Void) -> ChangeObservation {
        fault == .tellsNobodyOfChanges ? ChangeObservation {} : fake.onChanges(tell)
    }

    func isReady() async -> Bool { fault == .isNotReady ? false : await fake.isReady() }

    func create(_ draft: ExportDraft, for viewer: Viewer) async throws(GatewayError) -> Creation {
        var draft = draft
        if fault == .createsTwice { draft.idempotency = nil }
        return try await fake.create(draft, for: self.viewer(viewer, for: .sharesKeys))
    }

    func create(
        _ draft: ExportDraft,
        for viewer: Viewer,
        on run: @escaping @Sendable (@escaping @Sendable () -> Void) -> Void,
        then: @escaping @Sendable (Result<Creation, GatewayError>) -> Void
    ) -> Bool {
        var draft = draft
        if fault == .createsTwiceWithoutATask { draft.idempotency = nil }
        return fake.create(draft, for: viewer, on: run, then: then)
    }

    func export(_ id: ExportID, for viewer: Viewer, refresh: Bool) async throws(GatewayError) -> Export {
        try await fake.export(id, for: self.viewer(viewer, for: .showsOthers), refresh: refresh)
    }

    func export(
        _ id: ExportID,
        for viewer: Viewer,
        changedFrom revision: Int64,
        within timeout: Duration
    ) async throws(GatewayError) -> Export {
        let viewer = self.viewer(viewer, for: .waitsForOthers)
        var export = try await fake.export(id, for: viewer, changedFrom: revision, within: timeout)
        if fault == .showsOldState { export.revision = revision }
        return export
    }

    func snapshot(of id: ExportID, for viewer: Viewer) -> ExportSnapshot? {
        fake.snapshot(of: id, for: self.viewer(viewer, for: .snapshotsForOthers))
    }

    func find(_ id: ExportID, for viewer: Viewer, then: @escaping @Sendable (ExportSnapshot?) -> Void) {
        fake.find(id, for: viewer, then: then)
    }

    func watch(
        _ id: ExportID,
        beyond revision: Int64,
        then: @escaping @Sendable (Export?) -> Void
    ) -> (any ExportWatch)? {
        fake.watch(id, beyond: revision, then: then)
    }

    func exports(
        matching filter: ExportFilter,
        for viewer: Viewer,
        before: ExportID?,
        limit: Int
    ) async throws(GatewayError) -> ExportPage {
        let page = try await fake.exports(
            matching: fault == .ignoresFilter ? ExportFilter() : filter,
            for: self.viewer(viewer, for: .listsAll),
            before: before,
            limit: fault == .ignoresLimit ? 9 : limit
        )
        guard fault == .listsOldestFirst else { return page }
        return ExportPage(snapshots: page.snapshots.reversed(), hasMore: page.hasMore)
    }

    func cancel(_ id: ExportID, for viewer: Viewer) async throws(GatewayError) -> Export {
        if fault == .cancelsTheEnded { fake.change(id) { $0.status = .canceled } }
        if fault == .cancelsNothing { return try await fake.export(id, for: viewer, refresh: false) }
        return try await fake.cancel(id, for: self.viewer(viewer, for: .cancelsForOthers))
    }

    func setRetained(
        _ isRetained: Bool,
        _ id: ExportID,
        for viewer: Viewer
    ) async throws(GatewayError) -> Export {
        let viewer = self.viewer(viewer, for: .retainsForOthers)
        if fault == .keepsTheReleased, !isRetained { return try await fake.export(id, for: viewer, refresh: false) }
        return try await fake.setRetained(isRetained, id, for: viewer)
    }

    func purge(_ id: ExportID, for viewer: Viewer) async throws(GatewayError) {
        if fault == .purgesTheRetained { fake.change(id) { $0.retainedAt = nil } }
        try await fake.purge(id, for: self.viewer(viewer, for: .purgesForOthers))
    }

    func resolve(
        _ id: ExportID,
        for viewer: Viewer,
        as decision: SubmissionDecision,
        revision: Int64?
    ) async throws(GatewayError) -> Export {
        if fault == .decidesTheKnown { return try await fake.export(id, for: viewer, refresh: false) }
        let viewer = self.viewer(viewer, for: .decidesForOthers)
        return try await fake.resolve(id, for: viewer, as: decision, revision: revision)
    }

    func open(
        _ fileID: String,
        of id: ExportID,
        for viewer: Viewer,
        range: FileRange?
    ) async throws(GatewayError) -> FileBody {
        if fault == .opensTooEarly { return fileBody(["bytes"]) }
        return try await fake.open(fileID, of: id, for: self.viewer(viewer, for: .opensForOthers), range: range)
    }

    func beginUse(_ delivery: Delivery) async -> Bool { await fake.beginUse(delivery) || fault == .usesTwice }

    func uses(
        of ticket: ExportID,
        export id: ExportID,
        limit: Int
    ) async throws(GatewayError) -> [Delivery] {
        try await fake.uses(of: ticket, export: id, limit: limit)
    }

    func needsCallerToken(for export: Export) -> Bool { fake.needsCallerToken(for: export) }

    func record(_ delivery: Delivery) async {
        if fault == .losesDeliveries, delivery.outcome != .underWay { return }
        await fake.record(delivery)
    }

    func deliveries(
        of id: ExportID,
        for viewer: Viewer,
        requestID: String?,
        after: ExportID?,
        limit: Int
    ) async throws(GatewayError) -> DeliveryPage {
        try await fake.deliveries(
            of: id,
            for: self.viewer(viewer, for: .deliveriesForOthers),
            requestID: fault == .mixesRequests ? nil : requestID,
            after: after,
            limit: limit
        )
    }
}
