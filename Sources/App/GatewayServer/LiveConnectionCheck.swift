public import Exports
public import JSON
public import LiveCheck
import Logging
import Metrics
import UpstreamHTTP

/// Makes one real export on each of some connections and compares every answer with what the articles say (`Live-Check`).
/// `export-gateway check --live` shows the result. Reads and writes no ledger, and deletes nothing.
public struct LiveConnectionCheck: Sendable {
    /// An export to make: a connection's name, and a body as for `POST /exports`.
    public struct Request: Sendable {
        public var connection: String
        public var body: JSONValue

        /// Makes a request.
        public init(connection: String, body: JSONValue) {
            self.connection = connection
            self.body = body
        }
    }

    /// How the exports are made.
    public struct Options: Sendable {
        /// How long each export may take.
        public var time: Duration
        /// How many bytes of a file are read, about.
        public var bytes: Int64
        /// A user's tokens, for connections that act for users: for the API, and for the hosts of files.
        public var authorization: Secret?
        public var downloadAuthorization: Secret?

        /// Makes options.
        public init(time: Duration, bytes: Int64, authorization: Secret? = nil, downloadAuthorization: Secret? = nil) {
            self.time = time
            self.bytes = bytes
            self.authorization = authorization
            self.downloadAuthorization = downloadAuthorization
        }
    }

    /// A mistake in what was asked for; its words are for the operator.
    public struct Mistake: Error, Sendable, CustomStringConvertible {
        public var description: String
    }

    private struct Planned: Sendable {
        var connection: ConnectionConfiguration
        var provider: any ExportProvider
        var log: AnswerLog
        var export: ValidatedExport
        var name: String
    }

    private let plans: [Planned]
    private let options: Options
    private let ways: WaysOut
    private let time: any TimeSource
    private let randomness: Randomness

    /// Checks the requests without calling anybody. `shutdown` must be called on what it returns.
    ///
    /// Throws `Mistake` for a connection that does not exist, a body that is not for it or not valid, and a token that is missing;
    /// `StartupError` for a credential that cannot be used.
    public static func prepare(
        _ configuration: GatewayConfiguration,
        _ requests: [Request],
        options: Options,
        time: any TimeSource = SystemTime(),
        randomness: Randomness = Randomness { .random(in: .min ... .max) }
    ) async throws -> LiveConnectionCheck {
        let ways = WaysOut(configuration, base: UpstreamTransport(authorities: configuration.authorities))
        let logger = Logger(label: "check") { _ in SwiftLogNoOpLogHandler() }
        let metrics = NOOPMetricsHandler.instance
        let connections = Connections(ways: ways, time: time, logger: logger, metrics: metrics)
        let budgets = SharedBudgets(configuration.connections, time: time, logger: logger, metrics: metrics)
        do {
            let plans = try requests.map { request in
                guard let connection = configuration.connections.first(where: { $0.name == request.connection }) else {
                    throw Mistake(description: "there is no connection \"\(request.connection)\" in the configuration")
                }
                try connection.checkCredential(now: true, time: time, logger: logger)
                let log = AnswerLog(connection.adapter.expectations)
                let client = connections.client(of: connection, budgets.budget(of: connection), observer: log)
                return try planned(request, connection, connection.adapter.makeForLiveCheck(client), log, options)
            }
            return LiveConnectionCheck(
                plans: plans,
                options: options,
                ways: ways,
                time: time,
                randomness: randomness
            )
        } catch {
            try await ways.shutdown()
            throw error
        }
    }

    private static func planned(
        _ request: Request,
        _ connection: ConnectionConfiguration,
        _ provider: any ExportProvider,
        _ log: AnswerLog,
        _ options: Options
    ) throws(Mistake) -> Planned {
        let place = "the export for the connection \"\(connection.name)\""
        let descriptor = type(of: provider).descriptor
        guard request.body["provider"]?.string == connection.provider.rawValue else {
            throw Mistake(description: "\(place) must have \"provider\": \"\(connection.provider.rawValue)\"")
        }
        if let named = request.body["connection"], named.string != connection.name {
            throw Mistake(description: "\(place) names another connection")
        }
        guard let wanted = request.body[descriptor.optionsMember] else {
            throw Mistake(description: "\(place) must have the member \"\(descriptor.optionsMember)\"")
        }
        guard !connection.needsCallerToken || options.authorization != nil else {
            throw Mistake(
                description: "the connection \"\(connection.name)\" acts for users: give --upstream-token-file"
            )
        }
        do throws(ProviderError) {
            let export = try provider.validate(wanted)
            return Planned(
                connection: connection,
                provider: provider,
                log: log,
                export: export,
                name: request.body["name"]?.string ?? export.plan.suggestedName
            )
        } catch {
            let faults = error.faults.map { "\($0.pointer) \($0.detail)" }.joined(separator: "; ")
            throw Mistake(description: "\(place) is not valid: \(faults.isEmpty ? error.detail : faults)")
        }
    }

    /// What `run` will do, for the operator to agree to: lines that name the connections.
    public var announcement: [String] {
        plans.enumerated()
            .map { index, plan in
                "Export \(index + 1): starts one export \"\(plan.name)\" on the connection \"\(plan.connection.name)\" "
                    + "(\(plan.connection.provider.rawValue)), watches it for up to \(options.time.components.seconds) s, and "
                    + "reads up to about \(options.bytes >> 20) MiB of one file. It counts against the upstream's limits."
            }
    }

    /// Makes the exports one after the other. Cancelled, it ends with the export under way, and the report has those until then.
    ///
    /// `say` gets what happens, for the operator only: it has names, ids and the upstream's own words in it.
    public func run(say: @escaping @Sendable (String) -> Void) async -> LiveReport {
        var report = LiveReport(exports: [])
        for (index, plan) in plans.enumerated() where !Task.isCancelled {
            let prefix = "Export \(index + 1): "
            let id = randomness.newID(at: time.now())
            var context = CallContext(
                requestID: "\(id)",
                authorization: options.authorization,
                downloadAuthorization: options.downloadAuthorization
            )
            // Nobody waits for an answer: the budget's next place is soon enough, whenever it is.
            context.patience = options.time
            let live = LiveExport(
                provider: plan.provider,
                export: plan.export,
                marker: SubmissionMarker(exportID: id, exportName: plan.name, notBefore: time.now()),
                context: context,
                limits: .init(time: options.time, bytes: options.bytes, pollInterval: plan.connection.pollInterval),
                time: time
            ) { say(prefix + $0) }
            let outcome = await live.run()
            say(prefix + outcome.text)
            if let detail = outcome.detail { say(prefix + detail) }
            if outcome.mayRun {
                let job = outcome.reference.map { "the job \($0.id)" } ?? "a job whose id is not known"
                say(prefix + "left running upstream on the connection \"\(plan.connection.name)\": \(job)")
            }
            report.exports.append(.init(provider: plan.connection.provider, outcome: outcome, log: plan.log))
        }
        return report
    }

    /// Closes every connection.
    public func shutdown() async throws { try await ways.shutdown() }
}
