import Exports
import Foundation
import JSON
import Testing
import UpstreamHTTP

@testable import GraphEDiscovery

@Suite struct WireTests {
    private static let locations: [(String?, String?)] = [
        (
            "https://graph.microsoft.com/beta/compliance/ediscovery/cases('5b840b94-f821-4c4a-8cad-3a90062bf51a')/operations('2ad2da7c7dbb404abfbbb28b7b6babd6')",
            "2ad2da7c7dbb404abfbbb28b7b6babd6"
        ),
        (
            "https://graph.microsoft.com/v1.0/security/cases/ediscoveryCases/dbc06feb-a6a5-46a2-8e4e-534353b071e4/operations/f57fc79d-bea8-42ac-b0be-217302d5683c",
            "f57fc79d-bea8-42ac-b0be-217302d5683c"
        ),
        (
            "https://graph.microsoft.com/v1.0/security/cases/ediscoverycases(%27dbc06feb%27)/Operations(%27F57FC79D-bea8-42ac-b0be-217302d5683c%27)",
            "F57FC79D-bea8-42ac-b0be-217302d5683c"
        ),
        ("/v1.0/operations/f57fc79d-bea8-42ac-b0be-217302d5683c?api=1", "f57fc79d-bea8-42ac-b0be-217302d5683c"),
        (
            "https://graph.microsoft.com/v1.0/security/cases/ediscoveryCases('dbc06feb-a6a5-46a2-8e4e-534353b071e4')",
            nil
        ),
        ("https://graph.microsoft.com/operations('12')", nil),
        ("https://graph.microsoft.com/operations/../../users", nil),
        ("operations", nil),
        ("", nil),
        (nil, nil),
    ]

    @Test(arguments: locations)
    func anOperationsIdIsFoundInEitherStyle(location: String?, id: String?) {
        #expect(OperationLocation.id(in: location) == id)
    }

    @Test func anIdIsTheSameWithAndWithoutDashes() {
        #expect(
            OperationLocation.normalized("01826CE3-43a3-4235-a121-81d05926efae")
                == OperationLocation.normalized("01826ce343a34235a12181d05926efae")
        )
        let spellings = OperationLocation.spellings(of: "01826CE343A34235A12181D05926EFAE")
        #expect(spellings.first == "01826CE343A34235A12181D05926EFAE")
        #expect(spellings.contains("01826ce3-43a3-4235-a121-81d05926efae"))
        #expect(spellings.contains("01826ce343a34235a12181d05926efae"))
        #expect(spellings.contains("01826CE3-43A3-4235-A121-81D05926EFAE"))
    }

    /// Every documented answer of this interface, and what is read from it.
    private static let answers: [String: @Sendable (JSONValue) throws -> Void] = [
        "legacy-getdownloadurl.response.json": { json throws in
            let url = try UpstreamURL(link: #require(DownloadURLAnswer.link(in: json)), from: nil)
            #expect(GraphEDiscoverySettings().downloadHost(of: url) == .blob)
            #expect(LinkExpiry.end(of: url)?.description == "2020-12-28T23:06:26.000Z")
            #expect(!"\(url)".contains("sig="))
        },
        "legacy-2021-01-getdownloadurl.response.json": { json throws in
            let url = try UpstreamURL(link: #require(DownloadURLAnswer.link(in: json)), from: nil)
            #expect(url.path.hasSuffix("d0b6d2a7-5fc5-44f0-9bca-6b9d34a9410b.zip"))
        },
        "legacy-list-operations.response-skeleton.json": { json throws in
            let page = try #require(pageIn(json))
            #expect(page.operations.map(\.id) == ["41362b70-2b70-4136-702b-3641702b3641"])
            #expect(page.operations.first?.percentProgress == nil)
            #expect(page.operations.first?.createdDateTime == nil)
            #expect(page.operations.first?.resultInfo == nil)
        },
        "legacy-lastestimate-operation.response.json": { json throws in
            let operation = try #require(pageIn(json)?.operations.first)
            #expect(operation.status == "succeeded")
            #expect(operation.completedDateTime?.description == "2021-01-12T20:12:35.481Z")
        },
        "legacy-list-cases.response.json": { json throws in
            #expect(pageIn(json)?.nextLink?.hasSuffix("$skipToken=159dc1d7-f84f-439e-9d57-4a4d3af0abe5") == true)
        },
        "legacy-list-reviewsets.response.json": { json throws in
            #expect(pageIn(json)?.nextLink?.hasSuffix("?$skiptoken=<encodedPageToken>") == true)
        },
        "legacy-get-case.response.json": { json throws in
            // A case is no operation: its status means nothing here, and is no success.
            let operation = try #require(CaseOperation(json))
            #expect(GraphEDiscoveryStatus.meaning(of: operation.status).status == .unknown)
        },
        "legacy-get-reviewset.response.json": { json throws in
            let operation = try #require(CaseOperation(json))
            #expect(operation.status == nil)
        },
        "security-list-operations.response.json": { json throws in
            let operation = try #require(pageIn(json)?.operations.first)
            #expect(operation.id == "1ab699d7e53d46de944144c4a650d66f")
            #expect(operation.action == "holdUpdate")
            #expect(operation.createdDateTime?.description == "2022-05-23T01:09:36.834Z")
            #expect(operation.completedDateTime?.description == "2022-05-23T01:10:08.871Z")
        },
        "security-get-operation-running.response.json": { json throws in
            let operation = try #require(CaseOperation(json))
            let observation = operation.observation(for: Workbench.reference(operation.id), in: .security)
            #expect(observation.status == .running)
            #expect(observation.percentComplete == 50)
            #expect(observation.completedAt == nil)
            #expect(!observation.filesPending)
        },
        "security-list-cases.response.json": { json throws in
            #expect(pageIn(json)?.operations.count == 2)
            #expect(pageIn(json)?.nextLink == nil)
        },
        "common-lro-inprogress.response.json": { json throws in
            // Graph's generic long-running answer is another thing: no id, so it is no operation.
            #expect(CaseOperation(json) == nil)
        },
        "common-lro-completed.response.json": { json in #expect(CaseOperation(json) == nil) },
        "common-error-basic.response.json": { json throws in
            let info = answer(409, json).errorInfo
            #expect(info.code == "invalidRange")
            #expect(info.requestId == "request-id")
        },
        "common-error-2023.response.json": { json throws in
            #expect(answer(409, json).errorInfo.requestId == "request-id")
        },
        "issue1794-getdownloadurl-400.response.json": { json throws in
            // It is what comes before the file is there.
            let error = GraphEDiscoveryFailure.error(answer(400, json), in: .link)
            #expect(error.code == .transient)
            #expect(error.retryAfter == RetryAfter.fallback)
            #expect(error.upstream?.code == "BadRequest")
            #expect(error.upstream?.requestId == "48f758f2-815e-42cc-9d4a-79f23ffe8a94")
        },
        "issue8911-legacy-401.response.json": { json throws in
            let error = GraphEDiscoveryFailure.error(answer(401, json), in: .read)
            #expect(error.code == .unauthenticated)
            #expect(error.upstream?.code == "Unauthorized")
        },
    ]

    private static func pageIn(_ json: JSONValue) -> OperationPage? { OperationPage(json) { CaseOperation($0) } }

    private static func answer(_ status: Int, _ json: JSONValue) -> UpstreamResponse {
        UpstreamResponse(
            status: status,
            headers: UpstreamHeaders([]),
            body: Array(json.encoded()),
            receivedAt: Timestamp(milliseconds: 0)
        )
    }

    @Test(arguments: answers.keys.sorted())
    func everyDocumentedAnswerIsUnderstood(name: String) throws {
        let check = try #require(Self.answers[name])
        try check(Fixture.json(name))
    }

    /// Pages' skeletons hold type names for values: each must be read without harm, and as an operation of no status.
    @Test(arguments: [
        "legacy-caseexportoperation.resource-skeleton.json", "legacy-caseoperation.resource-skeleton.json",
        "security-ediscoveryexportoperation.resource-skeleton.json",
        "security-ediscoverysearchexportoperation.resource-skeleton.json",
    ])
    func skeletonsAreReadWithoutHarm(name: String) throws {
        let operation = try #require(CaseOperation(try Fixture.json(name)))
        let observation = operation.observation(for: Workbench.reference(operation.id), in: .security)
        #expect(observation.status == .unknown)
        #expect(observation.files.isEmpty)
        #expect(observation.completedAt == nil)
    }

    @Test func aResultAndAFileAreReadByTheirDocumentedMembers() throws {
        #expect(ResultInfo(try Fixture.json("common-resultinfo.resource-skeleton.json"))?.code == 0)
        let file = try #require(
            ExportFileMetadata(try Fixture.json("security-exportfilemetadata.resource-skeleton.json"))
        )
        #expect(file.fileName == "String")
        #expect(file.size == nil)
    }

    @Test(arguments: [
        ("legacy-reviewset-export.response-headers.json", "2ad2da7c7dbb404abfbbb28b7b6babd6"),
        ("security-reviewset-export.v1.response-headers.json", "2ad2da7c7dbb404abfbbb28b7b6babd6"),
        ("security-search-exportresult.response-headers.json", "01826ce3-43a3-4235-a121-81d05926efae"),
        ("security-search-exportreport.response-headers.json", "f57fc79d-bea8-42ac-b0be-217302d5683c"),
    ])
    func theDocumentedHeadersNameTheOperation(name: String, id: String) throws {
        let headers = try #require(try Fixture.json(name).object)
        let location = headers.first { $0.key.lowercased() == "location" }?.value.string
        #expect(OperationLocation.id(in: location) == id)
    }

    /// Microsoft's page prints this one as text that is no JSON; the function is never called in that dialect.
    @Test func theAnswerThatIsNoJSONIsNoLink() throws {
        let text = try Fixture.text("security-getdownloadurl-beta.response.txt")
        let body = text.split(separator: "\n\n", maxSplits: 1).last.map(String.init) ?? text
        #expect(DownloadURLAnswer.link(in: try? JSONValue(parsing: body.utf8)) == nil)
    }

    @Test func everyFixtureIsRead() throws {
        let answers = try Fixture.names.filter { $0.contains(".response") && $0.hasSuffix(".json") }
            .filter { !$0.contains("response-headers") }
        #expect(Set(answers) == Set(Self.answers.keys))
    }

    @Test func filesComeAsACollectionOrAsOneObject() throws {
        let file: JSONValue = [
            "fileName": "PSTs.001.Export_1.zip", "size": 104_857_600, "downloadUrl": "https://h.example/1",
        ]
        for metadata in [file, [file]] as [JSONValue] {
            let operation = try #require(CaseOperation(["id": "1", "exportFileMetadata": metadata]))
            #expect(operation.files.map(\.name) == ["PSTs.001.Export_1.zip"])
            #expect(operation.files.map(\.size) == [104_857_600])
            #expect(operation.files.map(\.contentType) == ["application/zip"])
        }
        #expect(CaseOperation(["id": "1", "exportFileMetadata": [["downloadUrl": ""]]])?.files.isEmpty == true)
        #expect(CaseOperation(["id": "1", "exportFileMetadata": .null])?.files.isEmpty == true)
    }
}
