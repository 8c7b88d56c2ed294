import Exports
import GraphEDiscovery
import JSON
import ScriptedHost
import Testing

@Suite struct ReconcileTests {
    private static let marked = "For the investigation [export-gateway:01981f3e-7c1a-7b52-9d3e-0242ac120002]"

    private static func operation(_ id: String, created: String, description: String = marked) -> JSONValue {
        [
            "id": .string(id), "action": "contentExport", "status": "running", "createdDateTime": .string(created),
            "description": .string(description),
        ]
    }

    private func reconcile(_ bench: Workbench, others: OtherExports = .none) async throws -> Submission? {
        let plan = try bench.provider.validate(Workbench.reviewSetOptions).plan
        return try await bench.provider.reconcile(
            plan,
            marker: Workbench.marker,
            others: others,
            context: Workbench.context
        )
    }

    /// An operation of the right kind, name and time that shows an empty description.
    private static func unmarked(_ id: String, created: String = "2026-07-02T09:15:04Z") -> JSONValue {
        var members = operation(id, created: created, description: "").object ?? [:]
        members["outputName"] = Workbench.reviewSetOptions["outputName"]
        return .object(members)
    }

    private static let ids = ["0a1826ce343a34235a12181d05926efa", "0b1826ce343a34235a12181d05926efb"]

    @Test func theOnlyPossibleOperationWithoutAMarkerIsOurs() async throws {
        try await Workbench.run { bench async throws in
            let others: [JSONValue] = [
                Self.unmarked(Self.ids[1], created: "2026-07-02T09:14:00Z"),
                Self.operation("c1", created: "2026-07-02T09:15:05Z"),
            ]
            let foreign =
                others.dropLast() + [
                    .object((Self.unmarked(Self.ids[1]).object ?? [:]).merging(["outputName": "Another"]) { $1 }),
                    .object((Self.unmarked(Self.ids[1]).object ?? [:]).merging(["action": "exportResult"]) { $1 }),
                ]
            bench.graph.script { _ in .json(["value": .array(foreign + [Self.unmarked(Self.ids[0])])]) }
            let found = try await reconcile(bench)
            #expect(found?.reference.id == Self.ids[0])
            #expect(bench.graph.requests.count == 1)
            // In whatever way its id was stored.
            let dashed = "0a1826ce-343a-3423-5a12-181d05926efa"
            let bound = OtherExports { ids in OtherExports.Claims(boundIDs: ids.contains(dashed) ? [dashed] : []) }
            #expect(try await reconcile(bench, others: bound) == nil)
        }
    }

    @Test func ofTwoPossibleOperationsNoneIsOurs() async throws {
        try await Workbench.run { bench async throws in
            bench.graph.script { _ in .json(["value": .array(Self.ids.map { Self.unmarked($0) })]) }
            let error = try await providerError { _ = try await reconcile(bench) }
            #expect(error.code == .ambiguous)
            for id in Self.ids { #expect(error.detail.contains(id)) }
        }
    }

    @Test func theNextPageIsAskedForByteForByteWithTheSameHeaders() async throws {
        let link = try #require(
            Fixture.json("issue1178-legacy-nextlink.values.json")["returned_by_api"]?.string?.split(separator: "?").last
        )
        try await Workbench.run { bench async throws in
            let origin = bench.graph.origin
            bench.graph.script { request in
                if request.target.hasSuffix(link) {
                    return .json(["value": [Self.operation("a1", created: "2026-07-02T09:15:04.1234567Z")]])
                }
                return .json([
                    "value": [Self.operation("b2", created: "2026-07-02T09:15:04Z", description: "another's")],
                    "@odata.nextLink": .string("\(origin)/v1.0/x/operations?\(link)"),
                ])
            }
            let found = try #require(try await reconcile(bench))
            #expect(found.reference.id == "a1")
            #expect(found.reference.context["caseId"] == Workbench.caseID)
            #expect(found.observation?.status == .running)
            #expect(bench.graph.requests.map(\.target).last == "/v1.0/x/operations?\(link)")
            #expect(bench.graph.requests.count == 2)
            for request in bench.graph.requests {
                #expect(request.header("prefer") == "include-unknown-enum-members")
                #expect(request.header("authorization") == "Bearer graph-token")
            }
        }
    }

    @Test(arguments: [
        "2026-07-02T09:15:04Z", "2026-07-02T09:09:59Z", "0001-01-01T00:00:00Z",
    ])
    func aJobWithOurMarkerIsOursWhateverTheClocksSay(created: String) async throws {
        try await Workbench.run { bench async throws in
            bench.graph.script { _ in .json(["value": [Self.operation("a1", created: created)]]) }
            #expect(try await reconcile(bench) != nil)
        }
    }

    @Test func anotherExportsMarkerIsNotOurs() async throws {
        try await Workbench.run { bench async throws in
            bench.graph.script { _ in
                .json([
                    "value": [
                        Self.operation(
                            "a1",
                            created: "2026-07-02T09:15:04Z",
                            description: "[export-gateway:01981f3e-7c1a-7b52-9d3e-0242ac120003]"
                        ),
                        [
                            "id": "a2", "status": "running", "action": "holdUpdate",
                            "createdDateTime": "2026-07-02T09:15:04Z",
                        ],
                        [
                            "id": "a3", "status": "running", "action": "contentExport",
                            "createdDateTime": "2026-07-01T09:15:04Z",
                        ],
                    ]
                ])
            }
            #expect(try await reconcile(bench) == nil)
            #expect(bench.graph.requests.count == 1)
        }
    }

    @Test(arguments: [true, false])
    func anEntryWithoutItsDescriptionIsLookedAtByItself(isOurs: Bool) async throws {
        try await Workbench.run(.ediscovery) { bench async throws in
            bench.graph.script { request in
                guard request.path.hasSuffix("/a1") else {
                    return .json([
                        "value": [
                            [
                                "id": "a1", "status": "running", "action": "contentExport",
                                "createdDateTime": "2026-07-02T09:15:04Z",
                            ]
                        ]
                    ])
                }
                return .json(
                    Self.operation("a1", created: "2026-07-02T09:15:04Z", description: isOurs ? Self.marked : "x")
                )
            }
            let found = try await reconcile(bench)
            #expect(found?.reference.id == (isOurs ? "a1" : nil))
            #expect(bench.graph.requests.count == 2)
        }
    }

    @Test func endlessPagesEndWithDoubt() async throws {
        try await Workbench.run { bench async throws in
            let origin = bench.graph.origin
            bench.graph.script { _ in
                .json(["value": [], "@odata.nextLink": .string("\(origin)/v1.0/more?$skiptoken=1")])
            }
            let error = try await providerError { _ = try await reconcile(bench) }
            #expect(error.code == .ambiguous)
            #expect(bench.graph.requests.count == 20)
        }
    }

    @Test func aPageAtAnotherHostIsNotAskedFor() async throws {
        try await Workbench.run { bench async throws in
            let otherOrigin = bench.blob.origin
            bench.graph.script { _ in
                .json(["value": [], "@odata.nextLink": .string("\(otherOrigin)/v1.0/more?$skiptoken=1")])
            }
            let error = try await providerError { _ = try await reconcile(bench) }
            #expect(error.code == .permanent)
            #expect(bench.blob.requests.isEmpty)
        }
    }

    @Test func theFormerInterfaceMayFailToList() async throws {
        try await Workbench.run(.ediscovery) { bench async throws in
            bench.graph.script { _ in
                let inner =
                    #"{"Message":"No HTTP resource was found that matches the request URI 'https://substrate.office.com:444/complianceWorkbench/compliance/ediscovery/cases('1')/operations'."}"#
                return .json(["error": ["code": "UnknownError", "message": .string(inner)]], status: 404)
            }
            let error = try await providerError { _ = try await reconcile(bench) }
            #expect(error.code == .notFound)
            #expect(error.upstream?.code == "UnknownError")
            #expect(error.upstream?.message?.hasPrefix("No HTTP resource was found") == true)
            #expect(
                bench.graph.requests.map(\.target) == [
                    "/beta/compliance/ediscovery/cases/\(Workbench.caseID)/operations"
                ]
            )
        }
    }
}
