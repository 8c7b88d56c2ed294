import Exports

/// The examination of one service.
struct ServiceExamination: Sendable {
    let service: any ExportService
    let draft: ExportDraft
    let end: @Sendable (ExportID, ExaminedService.JobEnd) async throws -> Void
    let report: @Sendable (String) -> Void

    init(_ examined: ExaminedService, report: @escaping @Sendable (String) -> Void) {
        service = examined.service
        draft = examined.draft
        end = examined.end
        self.report = report
    }

    /// Reports `expectation` where it does not hold.
    func expect(_ holds: Bool, _ expectation: String) { if !holds { report(expectation) } }

    /// Reports `expectation` where `body` does not throw a problem with this code.
    func expectProblem(_ code: ProblemCode, _ expectation: String, _ body: () async throws -> Void) async {
        do {
            try await body()
            report(expectation)
        } catch {
            expect((error as? GatewayError)?.code == code, "\(expectation), but: \(error)")
        }
    }

    /// Creates an export.
    func create(for viewer: Viewer = .alice, key: Idempotency? = nil) async throws -> Creation {
        var draft = draft
        draft.idempotency = key
        return try await service.create(draft, for: viewer)
    }

    /// Creates an export without a task; nil where the service has no such way, or refuses.
    func createWithoutATask(for viewer: Viewer = .alice, key: Idempotency? = nil) async throws -> Creation? {
        var draft = draft
        draft.idempotency = key
        let (outcomes, answer) = AsyncStream.makeStream(of: Result<Creation, GatewayError>.self)
        let then: @Sendable (Result<Creation, GatewayError>) -> Void = { outcome in
            answer.yield(outcome)
            answer.finish()
        }
        let isBegun = service.create(draft, for: viewer, on: { $0() }, then: then)
        guard isBegun else { return nil }
        for await outcome in outcomes { return try outcome.get() }
        return nil
    }

    /// The export as the viewer sees it.
    func seen(_ id: ExportID, by viewer: Viewer = .alice) async throws -> Export {
        try await service.export(id, for: viewer, refresh: false)
    }

    /// An id that no export has.
    func unknownID() -> ExportID {
        var random = SystemRandomNumberGenerator()
        return ExportID(at: Timestamp(milliseconds: 1_780_000_000_000), random: &random)
    }
}

extension Viewer {
    /// Two callers who see their own exports, and one who sees all.
    static let alice = Viewer(.caller("alice", seesAll: false), token: nil, downloadToken: nil)
    static let bob = Viewer(.caller("bob", seesAll: false), token: nil, downloadToken: nil)
    static let auditor = Viewer(.caller("auditor", seesAll: true), token: nil, downloadToken: nil)
}
