import Exports
import GraphEDiscovery
import JSON
import ScriptedHost
import Testing

@Suite struct SubmitTests {
    private static let location =
        "https://graph.microsoft.com/v1.0/security/cases/ediscoverycases('dbc06feb-a6a5-46a2-8e4e-534353b071e4')/operations('f57fc79d-bea8-42ac-b0be-217302d5683c')"
    private static let root = "/v1.0/security/cases/ediscoveryCases/\(Workbench.caseID)"

    private static let actions: [(GraphEDiscoverySettings.Dialect, [String: JSONValue], String)] = [
        (
            .security, ["reviewSetId": .string(Workbench.reviewSetID), "outputName": "A"],
            "\(root)/reviewSets/\(Workbench.reviewSetID)/export"
        ),
        (
            .security,
            [
                "reviewSetId": .string(Workbench.reviewSetID), "outputName": "A",
                "queryId": "0C5A0D2E-0000-4000-8000-00000000000A",
            ],
            "\(root)/reviewSets/\(Workbench.reviewSetID)/queries/0c5a0d2e-0000-4000-8000-00000000000a/export"
        ),
        (
            .security,
            ["searchId": .string(Workbench.searchID), "exportCriteria": "searchHits", "exportFormat": "pst"],
            "\(root)/searches/\(Workbench.searchID)/exportResult"
        ),
        (
            .security,
            ["searchId": .string(Workbench.searchID), "exportCriteria": "searchHits", "exportType": "exportReport"],
            "\(root)/searches/\(Workbench.searchID)/exportReport"
        ),
        (
            .ediscovery, ["reviewSetId": .string(Workbench.reviewSetID), "outputName": "A"],
            "/beta/compliance/ediscovery/cases/\(Workbench.caseID)/reviewsets/\(Workbench.reviewSetID)/export"
        ),
    ]

    @Test(arguments: actions)
    func eachKindHasItsAction(
        dialect: GraphEDiscoverySettings.Dialect,
        options: [String: JSONValue],
        path: String
    ) async throws {
        try await Workbench.run(dialect) { bench async throws in
            bench.graph.script { _ in .empty(202, headers: [("Location", Self.location)]) }
            let submission = try await bench.submit(
                .object(options.merging(["caseId": .string(Workbench.caseID)]) { $1 })
            )
            #expect(submission.reference.id == "f57fc79d-bea8-42ac-b0be-217302d5683c")
            let request = try #require(bench.graph.requests.first)
            #expect(bench.graph.requests.count == 1)
            #expect(request.method == "POST")
            #expect(request.target == path)
        }
    }

    @Test func theCallCarriesTokenMarkerAndCorrelationAndFollowsNoForeignLocation() async throws {
        try await Workbench.run { bench async throws in
            bench.graph.script { _ in .empty(202, headers: [("Location", Self.location)]) }
            let submission = try await bench.submit(Workbench.reviewSetOptions)
            let request = try #require(bench.graph.requests.first)
            #expect(request.header("authorization") == "Bearer graph-token")
            #expect(request.header("prefer") == "include-unknown-enum-members")
            #expect(request.header("client-request-id") == Workbench.context.requestID)
            #expect(
                request.body == [
                    "outputName": "Contoso",
                    "description":
                        "For the investigation [export-gateway:01981f3e-7c1a-7b52-9d3e-0242ac120002]",
                ]
            )
            // The address in Location is another host's and names another case: only the operation's id is taken.
            #expect(submission.reference.context["caseId"] == Workbench.caseID)
        }
    }

    @Test func aSearchWithoutANameGetsTheExportsName() async throws {
        try await Workbench.run { bench async throws in
            bench.graph.script { _ in .empty(202, headers: [("Location", Self.location)]) }
            _ = try await bench.submit([
                "caseId": .string(Workbench.caseID), "searchId": .string(Workbench.searchID),
                "exportCriteria": "searchHits", "exportFormat": "pst",
            ])
            let body = try #require(bench.graph.requests.first?.body)
            #expect(body["displayName"]?.string == "Contoso")
            #expect(body["additionalOptions"]?.string == "none")
            #expect(body["description"]?.string == "[\(Workbench.marker.text)]")
        }
    }

    private static let answers: [(ScriptedUpstream.Answer, ProviderError.Code, Duration?)] = [
        (.empty(202), .accepted, nil),
        (.empty(202, headers: [("Location", "https://graph.microsoft.com/v1.0/security/cases")]), .accepted, nil),
        (.empty(500), .ambiguous, nil),
        (.empty(503), .ambiguous, nil),
        (.empty(504), .ambiguous, nil),
        (.empty(500, headers: [("Retry-After", "7")]), .ambiguous, nil),
        (.empty(502, headers: [("Retry-After", "7")]), .ambiguous, nil),
        (.empty(504, headers: [("Retry-After", "7")]), .ambiguous, nil),
        (.empty(503, headers: [("Retry-After", "7")]), .throttled, .seconds(7)),
        (.empty(429, headers: [("Retry-After", "2.128")]), .throttled, .milliseconds(2128)),
        (.empty(429), .throttled, nil),
        (.empty(400), .invalid, nil),
        (.empty(402), .forbidden, nil),
        (.empty(404), .notFound, nil),
        (.empty(409), .conflict, nil),
        (.empty(410), .notFound, nil),
        (.empty(423), .transient, nil),
        (.empty(405), .permanent, nil),
        (ScriptedUpstream.Answer(status: 202, headers: [("content-length", "9")], breaksOff: true), .accepted, nil),
    ]

    @Test(arguments: answers.indices)
    func aStartIsTriedOnceWhateverComesBack(index: Int) async throws {
        let (answer, code, retryAfter) = Self.answers[index]
        try await Workbench.run { bench async throws in
            bench.graph.script { _ in answer }
            let error = try await providerError { _ = try await bench.submit(Workbench.reviewSetOptions) }
            #expect(error.code == code)
            #expect(error.retryAfter == retryAfter)
            #expect(bench.graph.requests.count == 1)
        }
    }

    @Test func aRefusedTokenIsReplacedOnce() async throws {
        try await Workbench.run { bench async throws in
            bench.graph.script { request in
                request.header("authorization") == "Bearer graph-token-renewed"
                    ? .empty(202, headers: [("Location", Self.location)]) : .empty(401)
            }
            _ = try await bench.submit(Workbench.reviewSetOptions)
            #expect(bench.graph.requests.count == 2)
        }
    }

    @Test func theSASTokenGoesUpstreamAndNowhereElse() async throws {
        let sas = "sv=2018-03-28&sr=c&sig=TRFQNUGFtuVO7&sp=racwdl"
        let options = Workbench.reviewSetOptions.object!
            .merging([
                "azureBlobContainer": "https://account.blob.core.windows.net/exports", "azureBlobToken": .string(sas),
            ]) { $1 }
        try await Workbench.run(.ediscovery) { bench async throws in
            let valid = try bench.provider.validate(.object(options))
            #expect(valid.secrets == ["/azureBlobToken": Secret(sas)])
            #expect(valid.plan.needsSecrets)
            #expect(valid.plan.destination == "https://account.blob.core.windows.net/exports")
            #expect(!"\(valid)".contains("TRFQ"))

            bench.graph.script { request in
                .json(["error": ["code": "BadRequest", "message": .string("no access with '\(sas)'")]], status: 400)
            }
            let error = try await providerError { _ = try await bench.submit(.object(options)) }
            #expect(error.upstream?.message == "no access with '<redacted>'")
            #expect(!"\(error)".contains("TRFQ"))
            #expect(bench.graph.requests.first?.body?["azureBlobToken"]?.string == sas)

            bench.graph.script { _ in .empty(202, headers: [("Location", Self.location)]) }
            let submission = try await bench.submit(.object(options))
            #expect(!"\(submission)".contains("TRFQ"))
        }
    }

    @Test func withoutItsSecretNothingIsStarted() async throws {
        let options = Workbench.reviewSetOptions.object!
            .merging([
                "azureBlobContainer": "https://account.blob.core.windows.net/exports", "azureBlobToken": "sig=1",
            ]) { $1 }
        try await Workbench.run(.ediscovery) { bench async throws in
            let error = try await providerError { _ = try await bench.submit(.object(options), secrets: [:]) }
            #expect(error.problem == .secretLost)
            #expect(bench.graph.requests.isEmpty)
        }
    }
}
