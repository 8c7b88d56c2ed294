import Exports
import Foundation
import GraphEDiscovery
import JSON
import ManualClock
import MicrosoftSandbox
import SandboxBench
import ScriptedHost
import Testing
import UpstreamHTTP

/// The provider against the sandbox, over sockets, with tokens from its token endpoint.
@Suite struct SandboxTests {
    private static let reviewSet: JSONValue = [
        "caseId": .string(SandboxSeed.caseID), "reviewSetId": .string(SandboxSeed.reviewSetID),
        "outputName": "Contoso", "description": "For the investigation", "exportOptions": "originalFiles,tags",
        "exportStructure": "pst",
    ]
    private static let query = JSONValue.object(
        (reviewSet.object ?? [:]).merging(["queryId": .string(SandboxSeed.reviewSetQueryID)]) { $1 }
    )
    private static let searchResult: JSONValue = [
        "caseId": .string(SandboxSeed.caseID), "searchId": .string(SandboxSeed.searchID), "displayName": "Mail",
        "exportCriteria": "searchHits, partiallyIndexed", "exportLocation": "responsiveLocations",
        "exportFormat": "msg", "additionalOptions": "friendlyName, includeReport",
    ]
    private static let searchReport: JSONValue = [
        "caseId": .string(SandboxSeed.caseID), "searchId": .string(SandboxSeed.searchID),
        "exportType": "exportReport", "exportCriteria": "searchHits",
    ]
    private static let legacy = JSONValue.object(
        (reviewSet.object ?? [:]).merging(["exportOptions": "originalFiles, fileInfo,tags"]) { $1 }
    )

    private static let kinds: [(GraphEDiscoverySettings.Dialect, JSONValue, String, Int)] = [
        (.security, reviewSet, "security.export", 2), (.security, query, "security.queryExport", 2),
        (.security, searchResult, "security.exportResult", 2), (.security, searchReport, "security.exportReport", 1),
        (.ediscovery, legacy, "compliance.export", 1),
    ]

    @Test(arguments: kinds)
    private func everyKindLivesFromStartToDownload(
        dialect: GraphEDiscoverySettings.Dialect,
        options: JSONValue,
        operation: String,
        fileCount: Int
    ) async throws {
        try await SandboxWorkbench.run(dialect) { bench async throws in
            let reference = try await bench.start(options).reference
            #expect(bench.sandbox.account.counts[operation] == 1)
            #expect(try await bench.observe(reference).status == .notStarted)
            bench.time.advance(by: .milliseconds(1500))
            let running = try await bench.observe(reference)
            #expect(running.status == .running)
            #expect(running.percentComplete == 50)
            #expect(running.completedAt == nil)
            bench.time.advance(by: .seconds(10))
            let done = try await bench.observe(reference)
            #expect(done.status == .succeeded)
            #expect(done.completedAt != nil)
            #expect(done.files.count == fileCount)
            let job = try #require(bench.sandbox.account.jobs.first)
            for (file, kept) in zip(done.files, job.files) {
                let body = try await bench.provider.open(file, of: reference, range: nil, context: bench.context)
                let bytes = try await body.collected()
                #expect(bytes.starts(with: Array("PK".utf8)))
                #expect(Int64(bytes.count) == kept.size)
                if dialect == .security {
                    #expect(file.name == kept.name)
                    #expect(file.size == kept.size)
                }
            }
        }
    }

    @Test(arguments: [true, false])
    func anUnconfirmedStartIsFoundAgainOrSurelyNotThere(started: Bool) async throws {
        try await SandboxWorkbench.run { bench async throws in
            bench.sandbox.addRule(
                SandboxRule(operation: "security.export", times: 1, fault: .cutConnection(started: started))
            )
            let plan = try bench.provider.validate(Self.reviewSet).plan
            let error = try await providerError { _ = try await bench.start(Self.reviewSet) }
            #expect(error.code == .ambiguous)
            // Other exports come after it, over several pages.
            for index in 0..<5 { _ = try await bench.start(Self.searchReport, as: bench.marker(index + 1)) }
            let found = try await bench.provider.reconcile(
                plan,
                marker: bench.marker(0),
                others: .none,
                context: bench.context
            )
            #expect((found != nil) == started)
            #expect(bench.sandbox.account.counts["security.operations"] == 3)
            guard let found else { return }
            bench.time.advance(by: .seconds(10))
            #expect(try await bench.observe(found.reference).status == .succeeded)
        }
    }

    private static let endings: [(SandboxFault, ExportStatus, ProblemCode?)] = [
        (.failed, .failed, .exportFailed), (.submissionFailed, .failed, .submissionFailed),
        (.partiallySucceeded, .partiallySucceeded, .exportPartiallySucceeded),
        (.unknownStatus("paused"), .unknown, nil), (.unknownStatus("unknownFutureValue"), .unknown, nil),
        (.stuck, .running, nil),
    ]

    @Test(arguments: endings)
    private func everyEndingIsTold(fault: SandboxFault, status: ExportStatus, failure: ProblemCode?) async throws {
        try await SandboxWorkbench.run { bench async throws in
            bench.sandbox.addRule(SandboxRule(operation: "security.export", fault: fault))
            let reference = try await bench.start(Self.reviewSet).reference
            bench.time.advance(by: .seconds(10))
            let observation = try await bench.observe(reference)
            #expect(observation.status == status)
            #expect(observation.failure?.code == failure)
            #expect((observation.failure?.upstream?.message != nil) == (failure != nil))
            #expect(observation.files.isEmpty == !status.hasResult)
        }
    }

    @Test func filesThatLagBehindAreAwaited() async throws {
        try await SandboxWorkbench.run { bench async throws in
            bench.sandbox.addRule(SandboxRule(operation: "security.export", fault: .metadataLag(seconds: 20)))
            let reference = try await bench.start(Self.reviewSet).reference
            bench.time.advance(by: .seconds(10))
            let early = try await bench.observe(reference)
            #expect(early.status == .succeeded)
            #expect(early.filesPending)
            bench.time.advance(by: .seconds(20))
            let late = try await bench.observe(reference)
            #expect(!late.filesPending)
            #expect(late.files.count == 2)
        }
    }

    @Test func manyAreObservedWithOneCall() async throws {
        try await SandboxWorkbench.run(pageSize: 100) { bench async throws in
            var references: [UpstreamReference] = []
            for index in 0..<5 {
                references.append(try await bench.start(Self.reviewSet, as: bench.marker(index)).reference)
            }
            let running = await bench.provider.observe(references, context: bench.context)
            #expect(try Set(references.map { try running[$0]?.get().status }) == [.notStarted])
            bench.time.advance(by: .seconds(10))
            let done = await bench.provider.observe(references, context: bench.context)
            #expect(try Set(references.map { try done[$0]?.get().files.count }) == [2])
            #expect(bench.sandbox.account.counts["security.operations"] == 2)
            #expect(bench.sandbox.account.counts["security.operation"] == nil)
        }
    }

    @Test func oddAnswersAreRead() async throws {
        try await SandboxWorkbench.run { bench async throws in
            bench.sandbox.addRule(SandboxRule(operation: "security.export", fault: .quotedLocation))
            bench.sandbox.addRule(SandboxRule(operation: "security.operation", fault: .wrappedEntity))
            let reference = try await bench.start(Self.reviewSet).reference
            #expect(try await bench.observe(reference).status == .notStarted)
        }
    }

    @Test func throttlingIsToldAsItComes() async throws {
        try await SandboxWorkbench.run { bench async throws in
            bench.sandbox.addRule(
                SandboxRule(operation: "security.export", times: 1, fault: .throttled(retryAfter: "0.128"))
            )
            let error = try await providerError { _ = try await bench.start(Self.reviewSet) }
            #expect(error.code == .throttled)
            #expect(error.retryAfter == .milliseconds(128))
            #expect(error.upstream?.code == "TooManyRequests")
            #expect(bench.sandbox.account.jobs.isEmpty)
        }
    }

    @Test func ownStorageIsFilledAndItsTokenIsNowhereElse() async throws {
        let token = "sv=2018-03-28&sr=c&sig=c2VjcmV0&sp=rwl"
        let options = (Self.legacy.object ?? [:])
            .merging([
                "azureBlobContainer": "https://contoso.blob.core.windows.net/exports", "azureBlobToken": .string(token),
            ]) { $1 }
        try await SandboxWorkbench.run(.ediscovery) { bench async throws in
            let submission = try await bench.start(.object(options))
            bench.time.advance(by: .seconds(10))
            let observation = try await bench.observe(submission.reference)
            #expect(observation.status == .succeeded)
            #expect(observation.files.isEmpty)
            #expect(!observation.filesPending)
            #expect(bench.sandbox.secrets.contains(token))
            #expect(!"\(submission) \(observation)".contains("c2VjcmV0"))
        }
    }

    private static let downloads: [(SandboxFault, ProviderError.Code?)] = [
        (.preAuthorizedLink, nil), (.expiredLink, nil), (.tokenRevoked, nil), (.noContentLength, nil),
        (.htmlSignIn, .unauthenticated), (.cutDownload(afterBytes: 1000), .transient),
        (.wrongLength(excessBytes: 7), .transient),
        (.status(503, headers: ["Retry-After": "0.1"]), .throttled), (.status(500), .transient),
        (.status(404), .gone), (.status(401), nil),
    ]

    @Test(arguments: downloads)
    private func aDownloadIsWholeOrVisiblyBroken(fault: SandboxFault, code: ProviderError.Code?) async throws {
        try await SandboxWorkbench.run { bench async throws in
            let reference = try await bench.start(Self.reviewSet).reference
            bench.time.advance(by: .seconds(10))
            let file = try #require(try await bench.observe(reference).files.first)
            let isOfOperation = fault == .preAuthorizedLink
            bench.sandbox.addRule(
                SandboxRule(operation: isOfOperation ? "security.operation" : "graph.download", times: 1, fault: fault)
            )
            func download() async throws -> [UInt8] {
                try await bench.provider.open(file, of: reference, range: nil, context: bench.context).collected()
            }
            guard let code else {
                #expect(Int64(try await download().count) == file.size)
                return
            }
            let error = try await providerError { _ = try await download() }
            #expect(error.code == code)
            #expect(Int64(try await download().count) == file.size)
            for secret in bench.sandbox.secrets { #expect(!"\(error)".contains(secret)) }
        }
    }

    /// The body ends properly and is as long as announced: that the operation lists another size is for the relay to judge.
    @Test func aListedSizeIsOnlyAClaim() async throws {
        try await SandboxWorkbench.run { bench async throws in
            let reference = try await bench.start(Self.reviewSet).reference
            bench.time.advance(by: .seconds(10))
            let file = try #require(try await bench.observe(reference).files.first)
            let size = try #require(file.size)
            bench.sandbox.addRule(
                SandboxRule(operation: "graph.download", times: 1, fault: .shortDownload(missingBytes: 1))
            )
            for expected in [size - 1, size] {
                let body = try await bench.provider.open(file, of: reference, range: nil, context: bench.context)
                #expect(body.head.contentLength == expected)
                #expect(Int64(try await body.collected().count) == expected)
            }
        }
    }
}

/// A provider on a sandbox, with tokens from its token endpoint.
private struct SandboxWorkbench: Sendable {
    let host: SandboxBench
    let adapter: AdapterBench<GraphEDiscoveryProvider>

    var sandbox: MicrosoftSandbox { host.sandbox }
    var time: ManualTime { host.clock }
    var provider: GraphEDiscoveryProvider { adapter.provider }
    var context: CallContext { adapter.context }

    static func run(
        _ dialect: GraphEDiscoverySettings.Dialect = .security,
        pageSize: Int = 2,
        _ work: (SandboxWorkbench) async throws -> Void
    ) async throws {
        var sandboxSettings = SandboxSettings()
        sandboxSettings.pageSize = pageSize
        try await SandboxBench.run(sandboxSettings) { host in
            let settings = GraphEDiscoverySettings(
                apiRoot: host.api,
                dialect: dialect,
                proxyHosts: [.origin(of: host.proxy)],
                blobHosts: [.origin(of: host.blob)]
            )
            let client = host.client(
                bearerHosts: settings.bearerHosts,
                openHosts: settings.openHosts,
                tokens: host.applicationTokens
            )
            let provider = GraphEDiscoveryProvider(settings: settings, client: client)
            try await work(SandboxWorkbench(host: host, adapter: AdapterBench(provider)))
        }
    }

    func marker(_ index: Int = 0) -> SubmissionMarker { .test(index, notBefore: time.now()) }

    func start(_ options: JSONValue, as marker: SubmissionMarker? = nil) async throws -> Submission {
        try await adapter.submit(options, as: marker ?? self.marker())
    }

    func observe(_ reference: UpstreamReference) async throws -> Observation { try await adapter.observe(reference) }
}
