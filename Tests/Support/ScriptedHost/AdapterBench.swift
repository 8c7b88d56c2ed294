import CoreMetrics
public import Exports
public import JSON
import Logging
public import UpstreamHTTP

/// An adapter on a connection over real sockets, and the calls that tests make of it.
public struct AdapterBench<Provider: ExportProvider>: Sendable {
    public let provider: Provider
    /// What it sends with its calls.
    public let tokens: IssuedTokens
    /// What every call is made with.
    public var context: CallContext

    /// Makes a bench around an adapter.
    public init(_ provider: Provider, tokens: IssuedTokens = .numbered(), context: CallContext = .test) {
        (self.provider, self.tokens, self.context) = (provider, tokens, context)
    }

    /// Runs `work` with an adapter that has a client of its own.
    public static func run<Value>(
        _ settings: UpstreamClient.Settings,
        tokens: IssuedTokens = .numbered(),
        time: any TimeSource = SystemTime(),
        context: CallContext = .test,
        makeProvider: (UpstreamClient) -> Provider,
        _ work: (AdapterBench) async throws -> Value
    ) async throws -> Value {
        let transport = UpstreamTransport()
        let client = UpstreamClient(
            settings: settings,
            transport: transport,
            tokens: tokens,
            time: time,
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() },
            metrics: NOOPMetricsHandler.instance
        )
        let bench = AdapterBench(makeProvider(client), tokens: tokens, context: context)
        let outcome: Result<Value, any Error>
        do { outcome = .success(try await work(bench)) } catch { outcome = .failure(error) }
        try await transport.shutdown()
        return try outcome.get()
    }

    /// Validates and starts an export.
    public func submit(
        _ options: JSONValue,
        secrets: [String: Secret]? = nil,
        as marker: SubmissionMarker = .test()
    ) async throws -> Submission {
        let valid = try provider.validate(options)
        return try await provider.submit(
            valid.plan,
            secrets: secrets ?? valid.secrets,
            marker: marker,
            context: context
        )
    }

    /// Looks for the job of an export.
    public func reconcile(
        _ options: JSONValue,
        as marker: SubmissionMarker,
        others: OtherExports = .none
    ) async throws -> Submission? {
        try await provider.reconcile(
            provider.validate(options).plan,
            marker: marker,
            others: others,
            context: context
        )
    }

    /// The present word on one job, which is asked for twice in one call and answered once.
    public func observe(_ reference: UpstreamReference) async throws -> Observation {
        let observations = await provider.observe([reference, reference], context: context)
        guard observations.count == 1, let observation = observations[reference] else {
            throw UnexpectedObservations(count: observations.count)
        }
        return try observation.get()
    }

    /// The only file of a finished job.
    public func open(
        _ reference: UpstreamReference,
        _ file: ExportFile = ExportFile(id: "1", name: "file"),
        range: FileRange? = nil
    ) async throws -> FileBody {
        try await provider.open(file, of: reference, range: range, context: context)
    }
}

/// A poll of one job was not answered by one observation of it.
public struct UnexpectedObservations: Error {
    /// How many observations came.
    public let count: Int
}

extension CallContext {
    /// The context of a test's calls.
    public static var test: CallContext { CallContext(requestID: "c1d2e3f4-0000-4000-8000-000000000001") }
}

extension SubmissionMarker {
    /// A marker of an export of a test. `number` tells several exports apart, up to 9.
    public static func test(
        _ number: Int = 2,
        name: String = "Contoso",
        notBefore: Timestamp = Timestamp(milliseconds: 0)
    ) -> SubmissionMarker {
        guard let id = ExportID("01981f3e-7c1a-7b52-9d3e-0242ac12000\(number)") else {
            preconditionFailure("\(number) is no digit")
        }
        return SubmissionMarker(exportID: id, exportName: name, notBefore: notBefore)
    }
}
