import ExportLedger
import Exports
import Spans

extension ConnectionWorker {
    /// A step of an export's life, in the export's own trace; nil where that is not recorded.
    ///
    /// - Parameter start: When it began, if that was before now.
    func span(_ name: SpanName, of export: Export, from start: Timestamp? = nil) -> GatewaySpan? {
        let span = tracer.span(name, of: export.id, from: start)
        span?.set(.provider, export.provider.rawValue)
        span?.set(.connection, connection.name)
        return span
    }
}

/// The spans of one poll: one in the trace of each export that is recorded, and, where the poll is for several exports, one in a trace of
/// its own, of which the calls upstream are parts. They link to each other.
struct PollSpans {
    /// The span that the calls are parts of.
    let calls: GatewaySpan?
    private let ofExports: [ExportID: GatewaySpan]
    private let areTogether: Bool

    init(_ records: [LedgerRecord], _ worker: ConnectionWorker) {
        var spans: [ExportID: GatewaySpan] = [:]
        for record in records { spans[record.export.id] = worker.span(.poll, of: record.export) }
        ofExports = spans
        areTogether = records.count > 1
        guard areTogether, !spans.isEmpty else {
            calls = spans.values.first
            return
        }
        let calls = worker.tracer.root(.pollTogether, linkedTo: spans.values.map(\.trace))
        calls?.set(.connection, worker.connection.name)
        if let calls {
            for span in spans.values { span.link(calls.trace) }
        }
        self.calls = calls
    }

    subscript(_ id: ExportID) -> GatewaySpan? { ofExports[id] }

    /// The calls are over.
    func answered() { if areTogether { calls?.end() } }
}

extension GatewaySpan {
    /// What an upstream said of a job, or why it said nothing.
    func set(_ answer: Result<Observation, ProviderError>) {
        switch answer {
        case .success(let observation): set(.exportStatus, observation.status.rawValue)
        case .failure(let error): set(error)
        }
    }

    /// A step did not succeed. Where the request budget had no place for it, it comes again, and nothing has failed.
    func set(_ error: ProviderError) {
        if error.isOwnWait { set(.outcome, ProblemCode.queued.rawValue) } else { fail(error.label) }
    }
}

extension GatewayTracer {
    /// A transaction of the ledger, as a part of `parent`; nil where that is not recorded.
    func commit(to ledger: any ExportLedger, in parent: GatewaySpan? = .current) -> GatewaySpan? {
        let span = span(.commit, in: parent)
        span?.set(.dbSystem, ledger is any ReplicatedLedger ? "postgresql" : "sqlite")
        return span
    }
}
