import Exports
import JSON
import ScriptedHost
import Testing
import UpstreamHTTP

@testable import Intune

/// What goes over the wire, call by call.
@Suite struct IntuneProviderTests {
    private static let id = "DeviceCompliance_11111111-2222-4333-8444-555555555555"
    private static let options: JSONValue = [
        "reportName": "DeviceCompliance", "select": ["DeviceId"], "filter": "(OwnerType eq '1')",
    ]
    private static let path = "/v1.0/deviceManagement/reports/exportJobs"

    private static func job(_ status: String, _ members: [String: JSONValue] = [:]) -> JSONValue {
        .object(
            [
                "id": .string(id), "reportName": "DeviceCompliance", "status": .string(status), "url": .null,
                "expirationDateTime": "0001-01-01T00:00:00Z",
            ]
            .merging(members) { $1 }
        )
    }

    @Test("a start: address, body, token; and the job as it is told then")
    func start() async throws {
        try await ScriptedUpstream.run(Script { _ in .json(Self.job("notStarted"), status: 201) }) { upstream in
            try await Workbench.run(graph: upstream.origin) { bench in
                let submission = try await bench.submit(Self.options)
                #expect(submission.reference == UpstreamReference(id: Self.id))
                #expect(submission.observation?.status == .notStarted)
                #expect(submission.observation?.expiresAt == nil)
                let request = try #require(upstream.requests.first)
                #expect(upstream.requests.count == 1)
                #expect(request.method == "POST" && request.target == Self.path)
                #expect(request.header("authorization") == "Bearer token-1")
                #expect(request.header("prefer") == "include-unknown-enum-members")
                #expect(
                    request.body == [
                        "reportName": "DeviceCompliance", "select": ["DeviceId"], "filter": "(OwnerType eq '1')",
                        "format": "csv",
                    ]
                )
            }
        }
    }

    @Test(
        "an acceptance tells its id in the body, or else in an address; without one, a job may run",
        arguments: [
            ([:], "https://graph.microsoft.com/v1.0/deviceManagement/reports/exportJobs('A_1')", "A_1"),
            (["status": "notStarted"], "/v1.0/deviceManagement/reports/exportJobs/A%2F1?x", "A/1"),
            (["id": "B_2"], "/v1.0/deviceManagement/reports/exportJobs/A_1", "B_2"),
            ([:], "/v1.0/deviceManagement/reports", nil), (["id": ""], nil, nil),
        ] as [(JSONValue, String?, String?)]
    )
    func acceptance(body: JSONValue, location: String?, id: String?) async throws {
        let headers = location.map { [("Location", $0)] } ?? []
        try await ScriptedUpstream.run(Script { _ in .json(body, status: 201, headers: headers) }) { upstream in
            try await Workbench.run(graph: upstream.origin) { bench in
                if let id {
                    #expect(try await bench.submit(Self.options).reference.id == id)
                } else {
                    let error = try await providerError { _ = try await bench.submit(Self.options) }
                    #expect(error.code == .accepted)
                }
                #expect(upstream.requests.count == 1)
            }
        }
    }

    @Test("a start whose answer is lost may have happened, and is not repeated")
    func lost() async throws {
        try await ScriptedUpstream.run(Script { _ in .none }) { upstream in
            try await Workbench.run(graph: upstream.origin) { bench in
                let error = try await providerError { _ = try await bench.submit(Self.options) }
                #expect(error.code == .ambiguous)
                #expect(upstream.requests.count == 1)
                let validated = try bench.provider.validate(Self.options)
                let marker = SubmissionMarker(
                    exportID: try #require(ExportID("01981f3e-7c1a-7b52-9d3e-0242ac120002")),
                    exportName: "n",
                    notBefore: Timestamp(milliseconds: 0)
                )
                let unsupported = try await providerError {
                    _ = try await bench.provider.reconcile(
                        validated.plan,
                        marker: marker,
                        others: OtherExports { _ in .init(boundIDs: [], unconfirmed: []) },
                        context: Workbench.context
                    )
                }
                #expect(unsupported.code == .unsupported)
                #expect(upstream.requests.count == 1)
            }
        }
    }

    @Test(
        "an id stays one step of the path, or one key",
        arguments: [
            (IntuneSettings.KeyForm.slash, "A_1", "/A_1"), (.quotes, "A_1", "('A_1')"),
            (.slash, "a/../b c?d=#'", "/a%2F..%2Fb%20c%3Fd%3D%23%27"),
            (.quotes, "a/../b c?d=#'", "('a%2F..%2Fb%20c%3Fd%3D%23%27%27')"), (.slash, "..", "/%2E%2E"),
            (.quotes, "..", "('..')"), (.quotes, "x')/$value", "('x%27%27%29%2F%24value')"),
        ]
    )
    func address(form: IntuneSettings.KeyForm, id: String, ending: String) async throws {
        try await ScriptedUpstream.run(Script { _ in .json(Self.job("inProgress")) }) { upstream in
            try await Workbench.run(
                graph: upstream.origin,
                settings: IntuneSettings(version: .beta, keyForm: form)
            ) { bench in
                let observation = try await bench.observe(UpstreamReference(id: id))
                #expect(observation.status == .running)
                let path = "/beta/deviceManagement/reports/exportJobs"
                #expect(upstream.requests.map(\.target) == [path + ending])
            }
        }
    }

    @Test("an id that an operator names")
    func named() async throws {
        try await Workbench.run(graph: "https://graph.microsoft.com") { bench in
            let plan = try bench.provider.validate(Self.options).plan
            let marker = SubmissionMarker(
                exportID: try #require(ExportID("01981f3e-7c1a-7b52-9d3e-0242ac120002")),
                exportName: "n",
                notBefore: Timestamp(milliseconds: 0)
            )
            let reference = try bench.provider.reference(toUpstreamID: Self.id, of: plan, marker: marker)
            #expect(reference == UpstreamReference(id: Self.id))
            for id in ["", "a b", "ü", String(repeating: "a", count: 513)] {
                #expect(throws: ProviderError.self) {
                    try bench.provider.reference(toUpstreamID: id, of: plan, marker: marker)
                }
            }
        }
    }

    @Test("an answer that is no job is asked for again")
    func unreadable() async throws {
        for answer in [.text("[]"), .text("{"), .empty(200)] as [ScriptedUpstream.Answer] {
            try await ScriptedUpstream.run(Script { _ in answer }) { upstream in
                try await Workbench.run(graph: upstream.origin) { bench in
                    let error = try await providerError { _ = try await bench.observe(UpstreamReference(id: "A")) }
                    #expect(error.code == .transient && error.problem == .upstreamBroken)
                }
            }
        }
    }

    @Test("whether polls take a place in the budget is a matter of the settings", arguments: [true, false])
    func budget(countsPolls: Bool) async throws {
        try await ScriptedUpstream.run(Script { _ in .json(Self.job("inProgress"), status: 201) }) { upstream in
            try await Workbench.run(
                graph: upstream.origin,
                budget: RequestBudget(2, per: .seconds(3600)),
                settings: IntuneSettings(countsPolls: countsPolls)
            ) { bench in
                var context = Workbench.context
                context.patience = .zero
                let reference = try await bench.submit(Self.options).reference
                var refusals = 0
                for _ in 0..<4 {
                    let answer = await bench.provider.observe([reference], context: context)[reference]
                    if case .failure(let error) = answer {
                        #expect(error.problem == .queued)
                        refusals += 1
                    }
                }
                #expect(refusals == (countsPolls ? 3 : 0))
                #expect(upstream.requests.count == (countsPolls ? 2 : 5))
            }
        }
    }
}
