import Exports
import GraphEDiscovery
import JSON
import ScriptedHost
import Testing

@Suite struct ObserveTests {
    private static let list = "/v1.0/security/cases/ediscoveryCases/\(Workbench.caseID)/operations"

    @Test func oneOperationIsReadByItself() async throws {
        try await Workbench.run { bench async throws in
            bench.graph.script { _ in
                .json(
                    [
                        "id": .string(Workbench.operationID), "status": "running", "percentProgress": 50,
                        "completedDateTime": "0001-01-01T00:00:00Z",
                    ],
                    headers: [("Retry-After", "30")]
                )
            }
            let reference = Workbench.reference()
            let observation = try #require(
                await bench.provider.observe([reference], context: Workbench.context)[reference]
            )
            .get()
            #expect(observation.status == .running)
            #expect(observation.percentComplete == 50)
            #expect(observation.completedAt == nil)
            #expect(observation.pollAfter == .seconds(30))
            #expect(bench.graph.requests.map(\.target) == ["\(Self.list)/\(Workbench.operationID)"])
            #expect(bench.graph.requests.first?.header("prefer") == "include-unknown-enum-members")
        }
    }

    @Test func manyOfOneCaseAreReadWithOneListAndOnlyTheUnclearAlone() async throws {
        let files: JSONValue = [
            ["fileName": "PSTs.001.zip", "size": 10, "downloadUrl": "https://h.example/1"],
            ["fileName": "Reports-1.csv", "size": 5, "downloadUrl": "https://h.example/2"],
        ]
        let references = ["a1", "b2", "c3", "d4", "e5"].map { Workbench.reference($0) }
        try await Workbench.run { bench async throws in
            bench.graph.script { request in
                switch request.path {
                case Self.list:
                    .json([
                        "value": [
                            ["id": "A1", "status": "running", "percentProgress": 10],
                            ["id": "b2", "status": "succeeded", "exportFileMetadata": files],
                            ["id": "c3", "status": "succeeded"],
                            ["id": "d4", "status": "failed"],
                            ["id": "zz", "status": "running"],
                        ]
                    ])
                case "\(Self.list)/c3":
                    .json(["id": "c3", "status": "succeeded", "exportFileMetadata": files])
                case "\(Self.list)/d4":
                    .json(["id": "d4", "status": "failed", "resultInfo": ["code": 1, "subcode": 2, "message": "why"]])
                default: .json(["error": ["code": "NotFound", "message": ""]], status: 404)
                }
            }
            let results = await bench.provider.observe(references, context: Workbench.context)
            #expect(results.count == 5)
            #expect(try results[references[0]]?.get().status == .running)
            #expect(try results[references[1]]?.get().files.map(\.name) == ["PSTs.001.zip", "Reports-1.csv"])
            #expect(try results[references[2]]?.get().files.map(\.size) == [10, 5])
            #expect(try results[references[3]]?.get().failure?.upstream?.message == "why")
            #expect(throws: ProviderError.self) { try results[references[4]]?.get() }
            #expect(bench.graph.requests.count == 4)
            #expect(bench.graph.requests.first?.target == "\(Self.list)?$top=100")
        }
    }

    @Test func aLongListCostsNoMoreThanHalfOfWhatSingleReadsDo() async throws {
        let references = (1...6).map { Workbench.reference("a\($0)") }
        try await Workbench.run { bench async throws in
            let origin = bench.graph.origin
            bench.graph.script { request in
                guard request.path.hasSuffix("/operations") else { return .json(["id": "x", "status": "running"]) }
                return .json([
                    "value": [["id": "another", "status": "running"]],
                    "@odata.nextLink": .string("\(origin)\(Self.list)?$skiptoken=1"),
                ])
            }
            let results = await bench.provider.observe(references, context: Workbench.context)
            #expect(results.count == 6)
            #expect(bench.graph.requests.filter { $0.path.hasSuffix("/operations") }.count == 3)
            #expect(bench.graph.requests.count == 9)
        }
    }

    @Test func aThrottledListAnswersForAll() async throws {
        let references = ["a1", "b2"].map { Workbench.reference($0) }
        try await Workbench.run { bench async throws in
            bench.graph.script { _ in .empty(429, headers: [("Retry-After", "12")]) }
            let results = await bench.provider.observe(references, context: Workbench.context)
            for reference in references {
                let error = #expect(throws: ProviderError.self) { try results[reference]?.get() }
                #expect(error?.code == .throttled)
                #expect(error?.retryAfter == .seconds(12))
            }
            #expect(bench.graph.requests.count == 1)
        }
    }

    @Test func aListThatDoesNotWorkIsNotNeeded() async throws {
        let references = ["a1", "b2"].map { Workbench.reference($0) }
        try await Workbench.run { bench async throws in
            bench.graph.script { request in
                request.path == Self.list ? .empty(400) : .json(["id": "x", "status": "notStarted"])
            }
            let results = await bench.provider.observe(references, context: Workbench.context)
            #expect(try references.map { try results[$0]?.get().status } == [.notStarted, .notStarted])
            #expect(bench.graph.requests.count == 3)
        }
    }

    @Test func theFormerInterfaceIsNeverAskedForItsList() async throws {
        let references = ["a1", "b2"].map { Workbench.reference($0) }
        try await Workbench.run(.ediscovery) { bench async throws in
            bench.graph.script { _ in .json(["id": "x", "status": "succeeded", "outputName": "Contoso"]) }
            let results = await bench.provider.observe(references, context: Workbench.context)
            #expect(try results[references[0]]?.get().files.map(\.name) == ["Contoso.zip"])
            #expect(
                Set(bench.graph.requests.map(\.target))
                    == Set(
                        ["a1", "b2"].map { "/beta/compliance/ediscovery/cases/\(Workbench.caseID)/operations/\($0)" }
                    )
            )
        }
    }

    @Test func everyReferenceGetsAnAnswerEvenOneThatCannotBeRead() async throws {
        let reference = UpstreamReference(id: "a1")
        try await Workbench.run { bench async throws in
            let results = await bench.provider.observe([reference], context: Workbench.context)
            let error = #expect(throws: ProviderError.self) { try results[reference]?.get() }
            #expect(error?.code == .permanent)
            #expect(bench.graph.requests.isEmpty)
        }
    }

    @Test func cancelIsRefusedWithoutACall() async throws {
        try await Workbench.run { bench async throws in
            let error = try await providerError {
                try await bench.provider.cancel(Workbench.reference(), context: Workbench.context)
            }
            #expect(error.code == .unsupported)
            #expect(bench.graph.requests.isEmpty)
        }
    }
}
