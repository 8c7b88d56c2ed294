import Exports
import JSON
import Testing

@testable import GraphEDiscovery

@Suite struct StatusTests {
    private static let table: [(String?, ExportStatus, ProblemCode?)] = [
        ("notStarted", .notStarted, nil),
        ("submissionFailed", .failed, .submissionFailed),
        ("running", .running, nil),
        ("succeeded", .succeeded, nil),
        ("partiallySucceeded", .partiallySucceeded, .exportPartiallySucceeded),
        ("failed", .failed, .exportFailed),
        ("unknownFutureValue", .unknown, nil),
        ("paused", .unknown, nil),
        ("", .unknown, nil),
        (nil, .unknown, nil),
    ]

    @Test(arguments: table)
    func everyStatusHasItsMeaningAndEveryOtherIsUnknown(
        word: String?,
        status: ExportStatus,
        failure: ProblemCode?
    ) throws {
        var json: [String: JSONValue] = ["id": "01826ce3-43a3-4235-a121-81d05926efae"]
        json["status"] = word.map { .string($0) }
        let operation = try #require(CaseOperation(.object(json)))
        let observation = operation.observation(for: UpstreamReference(id: operation.id), in: .security)
        #expect(observation.status == status)
        #expect(observation.upstreamStatus == word ?? "")
        #expect(observation.failure?.code == failure)
        #expect(observation.filesPending == status.hasResult)
    }

    @Test(arguments: [(-5, 0), (0, 0), (50, 50), (100, 100), (250, 100)] as [(Int64, Int)])
    func progressStaysBetween0And100(sent: Int64, shown: Int) throws {
        let operation = try #require(
            CaseOperation(["id": "1", "status": "running", "percentProgress": .integer(sent)])
        )
        let observation = operation.observation(for: UpstreamReference(id: "1"), in: .security)
        #expect(observation.percentComplete == shown)
    }

    @Test(arguments: [
        ("2022-05-23T01:10:08.8710734Z", "2022-05-23T01:10:08.871Z"),
        ("2022-05-23T01:09:36.834501Z", "2022-05-23T01:09:36.834Z"),
        ("2022-05-19T23:30:41.23Z", "2022-05-19T23:30:41.230Z"),
        ("2022-05-19T23:30:41Z", "2022-05-19T23:30:41.000Z"),
        ("0001-01-01T00:00:00Z", nil),
        ("String (timestamp)", nil),
    ])
    func datesComeWithAnyNumberOfDigitsAndTheZeroDateIsNone(sent: String, shown: String?) throws {
        let operation = try #require(CaseOperation(["id": "1", "completedDateTime": .string(sent)]))
        let observation = operation.observation(for: UpstreamReference(id: "1"), in: .security)
        #expect(observation.completedAt?.description == shown)
    }

    @Test func aFailureSaysWhatTheOperationSaysWithoutSecrets() throws {
        let operation = try #require(
            CaseOperation([
                "id": "1", "status": "failed",
                "resultInfo": [
                    "code": 409, "subcode": 12,
                    "message": "cannot write to https://a.blob.core.windows.net/c?sv=1&sig=abc now",
                ],
            ])
        )
        let failure = operation.observation(for: UpstreamReference(id: "1"), in: .security, requestID: "r-1").failure
        #expect(failure?.upstream?.code == "409/12")
        #expect(failure?.upstream?.message == "cannot write to https://a.blob.core.windows.net/c?<redacted> now")
        #expect(failure?.upstream?.requestId == "r-1")
    }

    @Test func theEdiscoveryDialectHasOneZipAndNoneWhenTheFilesWentElsewhere() throws {
        let operation = try #require(CaseOperation(["id": "1", "status": "succeeded", "outputName": "Contoso"]))
        let observation = operation.observation(for: UpstreamReference(id: "1"), in: .ediscovery)
        #expect(observation.files.map(\.name) == ["Contoso.zip"])
        #expect(!observation.filesPending)
        let elsewhere = UpstreamReference(id: "1", context: ["azureBlobContainer": "https://a.blob.core.windows.net/c"])
        for dialect in GraphEDiscoverySettings.Dialect.allCases {
            let observation = operation.observation(for: elsewhere, in: dialect)
            #expect(observation.files.isEmpty)
            #expect(!observation.filesPending)
        }
    }

    @Test func aFileKeepsItsPlaceAsLongAsItsNameIsThereAndIsFoundByNameWhenTheOrderChanged() throws {
        func operation(_ names: [String]) throws -> CaseOperation {
            let files = names.enumerated()
                .map { index, name -> JSONValue in
                    ["fileName": .string(name), "downloadUrl": .string("https://h.example/\(index)")]
                }
            return try #require(CaseOperation(["id": "1", "exportFileMetadata": .array(files)]))
        }
        let first = try operation(["a.zip", "a.zip", "b.zip"])
        #expect(first.files.map(\.id) == ["1", "2", "3"])
        #expect(first.metadata(of: first.files[1])?.downloadURL == Secret("https://h.example/1"))
        let turned = try operation(["b.zip", "a.zip"])
        #expect(turned.metadata(of: first.files[2])?.downloadURL == Secret("https://h.example/0"))
        #expect(try operation(["c.zip"]).metadata(of: first.files[2]) == nil)
    }
}
