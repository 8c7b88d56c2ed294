import Exports
import JSON
import PowerBI
import ScriptedHost
import Testing
import UpstreamHTTP

/// What goes over the wire, call by call.
@Suite struct PowerBIProviderTests {
    private static let id = "Mi9DbG9iSWRWMi0wZj/b+A=="
    private static let idInPath = "Mi9DbG9iSWRWMi0wZj%2Fb%2BA%3D%3D"
    private static let inGroup = UpstreamReference(
        id: id,
        context: ["groupId": groupID, "reportId": reportID, "format": "PDF"]
    )

    private static func accepted(_ request: ScriptedUpstream.Request) -> ScriptedUpstream.Answer {
        .json(
            ["id": .string(id), "status": "NotStarted", "percentComplete": 0],
            status: 202,
            headers: [("Retry-After", "4")]
        )
    }

    @Test("a start in a workspace: address, body, token, profile")
    func start() async throws {
        try await ScriptedUpstream.run(Script(Self.accepted)) { upstream in
            try await Workbench.run(at: upstream.origin) { bench in
                let sample = try recordings.json("pbi-request-paginated-identityblob.json")
                let submission = try await bench.submit(options(sample.object ?? [:]))
                #expect(submission.reference == Self.inGroup)
                #expect(submission.observation?.status == .notStarted)
                #expect(submission.observation?.pollAfter == .seconds(4))
                #expect(upstream.requests.count == 1)
                let request = try #require(upstream.requests.first)
                #expect(request.method == "POST")
                #expect(request.target == "/v1.0/myorg/groups/\(groupID)/reports/\(reportID)/ExportTo")
                #expect(request.body == sample)
                #expect(request.header("authorization") == "Bearer token-1")
                #expect(request.header("x-powerbi-profile-id") == "0f0e0d0c-0b0a-4908-8706-050403020100")
                #expect(request.header("content-type") == "application/json; charset=utf-8")
                #expect(request.header("client-request-id") == Workbench.context.requestID)
            }
        }
    }

    @Test("a start in My workspace")
    func startInMyWorkspace() async throws {
        try await ScriptedUpstream.run(Script(Self.accepted)) { upstream in
            try await Workbench.run(at: upstream.origin) { bench in
                let submission = try await bench.submit(["reportId": .string(reportID), "format": "PNG"])
                #expect(submission.reference.context == ["reportId": reportID, "format": "PNG"])
                #expect(upstream.requests.map(\.target) == ["/v1.0/myorg/reports/\(reportID)/ExportTo"])
                #expect(upstream.requests.first?.body == ["format": "PNG"])
                _ = await bench.provider.observe([submission.reference], context: Workbench.context)
                #expect(
                    upstream.requests.last?.target == "/v1.0/myorg/reports/\(reportID)/exports/\(Self.idInPath)"
                )
            }
        }
    }

    @Test("a start that is accepted without an id, or whose answer is lost, may have started something")
    func ambiguous() async throws {
        let answers: [(ScriptedUpstream.Answer, ProviderError.Code)] = [
            (.empty(202), .accepted), (.json(["status": "NotStarted"], status: 202), .accepted),
            (.empty(202, headers: [("Location", "https://api.powerbi.com/v1.0/myorg/reports")]), .accepted),
            (.none, .ambiguous),
        ]
        for (answer, code) in answers {
            try await ScriptedUpstream.run(Script { _ in answer }) { upstream in
                try await Workbench.run(at: upstream.origin) { bench in
                    let error = try await providerError { _ = try await bench.submit(options(["format": "PDF"])) }
                    #expect(error.code == code)
                    #expect(upstream.requests.count == 1)
                }
            }
        }
    }

    @Test("a refused token is replaced once; nothing was started by the refused call")
    func refusedToken() async throws {
        try await ScriptedUpstream.run(
            Script { request in
                request.header("authorization") == "Bearer token-1" ? .empty(403) : Self.accepted(request)
            }
        ) { upstream in
            try await Workbench.run(at: upstream.origin) { bench in
                let submission = try await bench.submit(options(["format": "PDF"]))
                #expect(submission.reference == Self.inGroup)
                #expect(
                    upstream.requests.map { $0.header("authorization") } == ["Bearer token-1", "Bearer token-2"]
                )
            }
        }
    }

    @Test("no access is not a matter of the token: one call")
    func noAccess() async throws {
        try await ScriptedUpstream.run(
            Script { _ in
                .empty(401, headers: [("x-powerbi-error-info", "GroupNotAccessible"), ("RequestId", "r1")])
            }
        ) { upstream in
            try await Workbench.run(at: upstream.origin) { bench in
                let error = try await providerError { _ = try await bench.submit(options(["format": "PDF"])) }
                #expect(error.code == .forbidden)
                #expect(error.upstream == UpstreamErrorInfo(status: 401, code: "GroupNotAccessible", requestId: "r1"))
                #expect(upstream.requests.count == 1)
                #expect(bench.tokens.count == 1)
            }
        }
    }

    @Test("an answer that repeats the token of an identity does not carry it on")
    func echo() async throws {
        try await ScriptedUpstream.run(
            Script { request in
                let blob = request.body?["paginatedReportConfiguration"]?["identities"]?.array?.first?["identityBlob"]
                let message = "Bad token " + (blob?["value"]?.string ?? "?") + " here"
                return .json(["error": ["code": "InvalidRequest", "message": .string(message)]], status: 400)
            }
        ) { upstream in
            try await Workbench.run(at: upstream.origin) { bench in
                let sample = try recordings.json("pbi-request-paginated-identityblob.json")
                let error = try await providerError { _ = try await bench.submit(options(sample.object ?? [:])) }
                #expect(error.code == .invalid)
                #expect(error.upstream?.message == "Bad token <redacted> here")
            }
        }
    }

    @Test("without the token of an identity nothing is sent")
    func secretLost() async throws {
        try await ScriptedUpstream.run(Script(Self.accepted)) { upstream in
            try await Workbench.run(at: upstream.origin) { bench in
                let sample = try recordings.json("pbi-request-paginated-identityblob.json")
                let plan = try bench.provider.validate(options(sample.object ?? [:])).plan
                let marker = SubmissionMarker(
                    exportID: try #require(ExportID("01981f3e-7c1a-7b52-9d3e-0242ac120002")),
                    exportName: "x",
                    notBefore: Timestamp(milliseconds: 0)
                )
                let error = try await providerError {
                    _ = try await bench.provider.submit(
                        plan,
                        secrets: [:],
                        marker: marker,
                        context: Workbench.context
                    )
                }
                #expect(error.problem == .secretLost)
                #expect(upstream.requests.isEmpty)
            }
        }
    }

    @Test("the status is read at 200 and at 202; the token is not sent to the host that the answer names")
    func status() async throws {
        for status in [200, 202] {
            try await ScriptedUpstream.run(
                Script { _ in
                    .json(
                        [
                            "id": .string(Self.id), "status": "Running", "percentComplete": 70,
                            "resourceLocation": "https://evil.example/file",
                        ],
                        status: status,
                        headers: [("Retry-After", "20")]
                    )
                }
            ) { upstream in
                try await Workbench.run(at: upstream.origin) { bench in
                    let observation = try await bench.observe(Self.inGroup)
                    #expect(observation.status == .running)
                    #expect(observation.percentComplete == 70)
                    #expect(observation.pollAfter == .seconds(20))
                    #expect(
                        upstream.requests.map(\.target) == [
                            "/v1.0/myorg/groups/\(groupID)/reports/\(reportID)/exports/\(Self.idInPath)"
                        ]
                    )
                }
            }
        }
    }

    @Test("each reference gets its own word; an answer that cannot be read is tried again later")
    func severalReferences() async throws {
        let lost = UpstreamReference(id: "lost", context: ["reportId": reportID])
        let odd = UpstreamReference(id: "odd", context: ["reportId": reportID])
        let nameless = UpstreamReference(id: "x")
        try await ScriptedUpstream.run(
            Script { request in
                if request.target.hasSuffix("/lost") {
                    return .json(["error": ["code": "PowerBIEntityNotFound"]], status: 404)
                }
                return request.target.hasSuffix("/odd") ? .text("<html>") : .json(["status": "Running"])
            }
        ) { upstream in
            try await Workbench.run(at: upstream.origin) { bench in
                let words = await bench.provider.observe(
                    [Self.inGroup, lost, odd, nameless],
                    context: Workbench.context
                )
                #expect(words.count == 4)
                let running = try words[Self.inGroup]?.get()
                #expect(running?.status == .running)
                #expect(words[lost]?.failure?.code == .notFound)
                #expect(words[odd]?.failure?.code == .transient)
                #expect(words[nameless]?.failure?.code == .permanent)
                #expect(upstream.requests.count == 3)
            }
        }
    }

    @Test("a download: the address is made from the ids, the head is handed on")
    func download() async throws {
        try await ScriptedUpstream.run(
            Script { _ in
                .text("%PDF-1.7", headers: [("Content-Type", "application/pdf"), ("RequestId", "r2")])
            }
        ) { upstream in
            try await Workbench.run(at: upstream.origin) { bench in
                let body = try await bench.open(Self.inGroup)
                #expect(
                    body.head
                        == FileBody.Head(contentType: "application/pdf", contentLength: 8, requestID: "r2")
                )
                #expect(try await body.collected() == Array("%PDF-1.7".utf8))
                let request = try #require(upstream.requests.first)
                #expect(
                    request.target
                        == "/v1.0/myorg/groups/\(groupID)/reports/\(reportID)/exports/\(Self.idInPath)/file"
                )
                #expect(request.header("accept-encoding") == "identity")
                #expect(request.header("authorization") == "Bearer token-1")
            }
        }
    }

    @Test("a part is asked for only where the settings say so", arguments: [false, true])
    func part(asksForRanges: Bool) async throws {
        try await ScriptedUpstream.run(
            Script { request in
                request.header("range") == nil
                    ? .text("0123456789", headers: [("Content-Type", "text/csv")])
                    : .text("456789", status: 206, headers: [("Content-Range", "bytes 4-9/10"), ("ETag", "\"v\"")])
            }
        ) { upstream in
            try await Workbench.run(at: upstream.origin, asksForRanges: asksForRanges) { bench in
                let range = FileRange(first: 4, validator: "\"v\"")
                let body = try await bench.open(Self.inGroup, range: range)
                #expect(body.head.servesRanges == asksForRanges)
                let expected = ContentRange(first: 4, last: 9, completeLength: 10)
                #expect(body.head.range == (asksForRanges ? expected : nil))
                #expect(try await body.collected() == Array((asksForRanges ? "456789" : "0123456789").utf8))
                #expect(upstream.requests.first?.header("range") == (asksForRanges ? "bytes=4-" : nil))
                #expect(upstream.requests.first?.header("if-range") == (asksForRanges ? "\"v\"" : nil))
            }
        }
    }

    @Test(
        "what a file that is not there means",
        arguments: [(404, ProviderError.Code.gone), (410, .gone), (429, .throttled), (500, .transient)]
    )
    func noFile(status: Int, code: ProviderError.Code) async throws {
        try await ScriptedUpstream.run(Script { _ in .json(["error": ["code": "X"]], status: status) }) { upstream in
            try await Workbench.run(at: upstream.origin) { bench in
                let error = try await providerError { _ = try await bench.open(Self.inGroup) }
                #expect(error.code == code)
                #expect(error.upstream?.code == "X")
            }
        }
    }

    /// Whether the export is there besides is the engine's question.
    @Test("a refused file is forbidden")
    func refusedFile() async throws {
        try await ScriptedUpstream.run(Script { _ in .json(["error": ["code": "X"]], status: 403) }) { upstream in
            try await Workbench.run(at: upstream.origin) { bench in
                let error = try await providerError { _ = try await bench.open(Self.inGroup) }
                #expect(error.code == .forbidden)
                #expect(error.upstream?.code == "X")
            }
        }
    }

    @Test("a web page is not the file")
    func notTheFile() async throws {
        try await ScriptedUpstream.run(
            Script { _ in
                .text("<html>sign in</html>", headers: [("Content-Type", "text/html; charset=utf-8")])
            }
        ) { upstream in
            try await Workbench.run(at: upstream.origin) { bench in
                let error = try await providerError { _ = try await bench.open(Self.inGroup) }
                #expect(error.code == .permanent)
            }
        }
    }

    @Test("a redirection is followed to the hosts of the settings only, and without the token")
    func redirected() async throws {
        try await ScriptedUpstream.run(Script { _ in .text("bytes", headers: [("Content-Type", "application/pdf")]) }) {
            storage in
            let location = storage.origin + "/container/file?sig=abc%2F"
            try await ScriptedUpstream.run(Script { _ in .empty(302, headers: [("Location", location)]) }) { upstream in
                try await Workbench.run(at: upstream.origin) { bench in
                    let error = try await providerError { _ = try await bench.open(Self.inGroup) }
                    #expect(error.code == .unauthenticated)
                    #expect(storage.requests.isEmpty)
                }
                try await Workbench.run(at: upstream.origin, openHosts: [storage.origin]) { bench in
                    #expect(try await bench.open(Self.inGroup).collected() == Array("bytes".utf8))
                    let request = try #require(storage.requests.first)
                    #expect(request.target == "/container/file?sig=abc%2F")
                    #expect(request.header("authorization") == nil)
                    #expect(request.header("x-powerbi-profile-id") == nil)
                }
            }
        }
    }

    @Test("what is not declared is refused without a call")
    func undeclared() async throws {
        try await ScriptedUpstream.run(Script { _ in .empty(200) }) { upstream in
            try await Workbench.run(at: upstream.origin) { bench in
                let plan = try bench.provider.validate(options(["format": "PDF"])).plan
                let marker = SubmissionMarker(
                    exportID: try #require(ExportID("01981f3e-7c1a-7b52-9d3e-0242ac120002")),
                    exportName: "x",
                    notBefore: Timestamp(milliseconds: 0)
                )
                let cancel = try await providerError {
                    try await bench.provider.cancel(Self.inGroup, context: Workbench.context)
                }
                let reconcile = try await providerError {
                    _ = try await bench.provider.reconcile(
                        plan,
                        marker: marker,
                        others: .none,
                        context: Workbench.context
                    )
                }
                #expect(cancel.code == .unsupported && reconcile.code == .unsupported)
                #expect(upstream.requests.isEmpty)
            }
        }
    }
}

extension Result {
    var failure: Failure? { if case .failure(let error) = self { error } else { nil } }
}
