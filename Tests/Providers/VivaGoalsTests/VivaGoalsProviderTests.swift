import Exports
import JSON
import ScriptedHost
import Synchronization
import Testing
import UpstreamHTTP
import VivaGoals

/// What goes over the wire, call by call.
@Suite struct VivaGoalsProviderTests {
    private static let path = "/beta/employeeExperience/goals/exportJobs"
    private static let id = "j!kmZP9dp57hGB_7KuYfi6DlCBmj39kL1Cl3clung9SgU"
    private static let idInPath = "j%21kmZP9dp57hGB_7KuYfi6DlCBmj39kL1Cl3clung9SgU"
    private static let reference = UpstreamReference(
        id: id,
        context: ["goalsOrganizationId": organizationID, "explorerViewId": viewID, "name": "Goals of 2025"]
    )

    /// A `Location` as the pages print it, in double quotes.
    private static func location(_ id: String) -> (String, String) {
        ("Location", "\"https://graph.microsoft.com/beta/employeeexperience/goals/exportJobs/\(id)\"")
    }

    @Test("a start: address, body, token, and the wish for unmasked statuses")
    func start() async throws {
        try await ScriptedUpstream.run(
            Script { _ in
                .json(["id": .string(Self.id), "status": "notStarted"], status: 201, headers: [Self.location(Self.id)])
            }
        ) { upstream in
            try await Workbench.run(at: upstream.origin) { bench in
                let submission = try await bench.submit()
                #expect(submission.reference == Self.reference)
                #expect(submission.observation?.status == .notStarted)
                #expect(upstream.requests.count == 1)
                let request = try #require(upstream.requests.first)
                #expect(request.method == "POST")
                #expect(request.target == Self.path)
                #expect(
                    request.body
                        == ["goalsOrganizationId": .string(organizationID), "explorerViewId": .string(viewID)]
                )
                #expect(request.header("prefer") == "include-unknown-enum-members")
                #expect(request.header("authorization")?.hasPrefix("Bearer ") == true)
            }
        }
    }

    @Test(
        "the id of a start: Location goes before the body, either alone is enough, and what names none is accepted",
        arguments: [
            ("body", "j!location", "j!location"), ("body", nil, "body"), (nil, "j!location", "j!location"),
            (nil, nil, nil),
        ] as [(String?, String?, String?)]
    )
    func startID(inBody: String?, inLocation: String?, expected: String?) async throws {
        try await ScriptedUpstream.run(
            Script { _ in
                .json(
                    inBody.map { ["id": .string($0), "status": "notStarted"] } ?? [:],
                    status: 201,
                    headers: inLocation.map { [Self.location($0)] } ?? []
                )
            }
        ) { upstream in
            try await Workbench.run(at: upstream.origin) { bench in
                if let expected {
                    let submission = try await bench.submit()
                    #expect(submission.reference.id == expected)
                } else {
                    let error = try await providerError { _ = try await bench.submit() }
                    #expect(error.code == .accepted)
                }
            }
        }
    }

    @Test("the start whose page disagrees with itself")
    func laterPage() async throws {
        let body = try recordings.json("goals-create-201-later-doc.response.json")
        let id = "j!uJJZyGd87hGFgvZV8bl-GlCBmj39kL1Cl3clung9SgU"
        try await ScriptedUpstream.run(
            Script { _ in .json(body, status: 201, headers: [Self.location(id)]) }
        ) { upstream in
            try await Workbench.run(at: upstream.origin) { bench in
                let submission = try await bench.submit()
                #expect(submission.reference.id == id)
                #expect(submission.observation?.status == .unknown)
            }
        }
    }

    @Test("a start that is cut off, or answered with 5xx, may have started something")
    func ambiguous() async throws {
        for answer in [ScriptedUpstream.Answer.none, .empty(503), .empty(500)] {
            try await ScriptedUpstream.run(Script { _ in answer }) { upstream in
                try await Workbench.run(at: upstream.origin) { bench in
                    let error = try await providerError { _ = try await bench.submit() }
                    #expect(error.code == .ambiguous)
                    #expect(upstream.requests.count == 1)
                }
            }
        }
    }

    @Test("the job under way is named, and nothing is made of it")
    func conflict() async throws {
        let body = try recordings.json("goals-create-409.response.json")
        try await ScriptedUpstream.run(Script { _ in .json(body, status: 409) }) { upstream in
            try await Workbench.run(at: upstream.origin) { bench in
                let error = try await providerError { _ = try await bench.submit() }
                #expect(error.code == .conflict)
                #expect(error.problem == .upstreamConflict)
                #expect(error.existing == "eyJfdHlwZSI6Ikdyb3VwIiwiaWQiOiI4MzIxMjc1In0")
            }
        }
    }

    private static func job(_ id: String, _ created: String, view: String = viewID) -> JSONValue {
        [
            "id": .string(id), "createdDateTime": .string(created), "status": "running",
            "goalsOrganizationId": .string(organizationID.uppercased()), "explorerViewId": .string(view),
        ]
    }

    @Test("a lost start is looked for page by page, links byte for byte: the only job of the view since then")
    func reconcile() async throws {
        let next = Self.path + "?$skiptoken=aGk%2Fx+y%3D%3d&$filter=goalsOrganizationId%20eq%20'x'"
        let origin = Mutex("")
        try await ScriptedUpstream.run(
            Script { request in
                if request.target == next {
                    return .json([
                        "value": [
                            Self.job("j!second", "2026-03-01T10:00:30Z"), Self.job("j!third", "2026-03-01T09:59:10Z"),
                        ]
                    ])
                }
                return .json([
                    "value": [
                        Self.job("j!old", "2026-03-01T09:58:59.999Z"),
                        Self.job("j!other", "2026-03-01T11:00:00Z", view: organizationID),
                        Self.job("j!first", "2026-03-01T09:59:00Z"),
                        ["id": "j!undated", "createdDateTime": "2026-03-01T12-00-00Z", "status": "succeeded"],
                    ],
                    "@odata.nextLink": .string(origin.withLock { $0 } + next),
                ])
            }
        ) { upstream in
            origin.withLock { $0 = upstream.origin }
            try await Workbench.run(at: upstream.origin) { bench in
                let started = try #require(Timestamp(rfc3339: "2026-03-01T10:00:00Z"))
                let found = try #require(try await bench.reconcile(notBefore: started))
                #expect(found.reference.id == "j!second")
                #expect(found.reference.context == Self.reference.context)
                #expect(found.observation?.status == .running)
                let filter = "?$filter=goalsOrganizationId%20eq%20%27\(organizationID)%27"
                #expect(upstream.requests.map(\.target) == [Self.path + filter, next])
                #expect(upstream.requests.map { $0.header("prefer") }.allSatisfy { $0 != nil })
                let later = try await bench.reconcile(notBefore: started + .seconds(33))
                #expect(later == nil)
                let tolerated = try await bench.reconcile(notBefore: started + .seconds(32))
                #expect(tolerated?.reference.id == "j!second")
                // Of two that may be it, neither is taken.
                let error = try await providerError {
                    _ = try await bench.reconcile(notBefore: started + .seconds(-60))
                }
                #expect(error.code == .ambiguous)
                #expect(error.detail.contains("j!second, j!third"))
                // Nor one that another export has, or may have.
                let bound = OtherExports { _ in OtherExports.Claims(boundIDs: ["j!second"]) }
                let none = try await bench.reconcile(notBefore: started, others: bound)
                #expect(none == nil)
                let plan = try bench.provider.validate(["explorerViewUrl": .string(viewAddress)]).plan
                let rival = OtherExports.Unconfirmed(plan: plan, marker: Workbench.marker(notBefore: started))
                let unconfirmed = OtherExports { _ in OtherExports.Claims(unconfirmed: [rival]) }
                let doubt = try await providerError {
                    _ = try await bench.reconcile(notBefore: started, others: unconfirmed)
                }
                #expect(doubt.code == .ambiguous)
            }
        }
    }

    @Test("no job of the view: surely none; one without a date under way: it cannot be known")
    func reconcileNothing() async throws {
        let isUndated = Mutex(false)
        try await ScriptedUpstream.run(
            Script { _ in
                .json(["value": isUndated.withLock { $0 } ? [Self.job("j!x", "2026-03-01T12-00-00Z")] : []])
            }
        ) { upstream in
            try await Workbench.run(at: upstream.origin) { bench in
                let started = try #require(Timestamp(rfc3339: "2026-03-01T10:00:00Z"))
                let none = try await bench.reconcile(notBefore: started)
                #expect(none == nil)
                isUndated.withLock { $0 = true }
                let error = try await providerError { _ = try await bench.reconcile(notBefore: started) }
                #expect(error.code == .ambiguous)
            }
        }
    }

    @Test("a list that leads to another host, never ends, or is none")
    func reconcileOdd() async throws {
        let started = Timestamp(milliseconds: 1_772_000_000_000)
        try await ScriptedUpstream.run(
            Script { _ in .json(["value": [], "@odata.nextLink": "https://evil.example/next"]) }
        ) { upstream in
            try await Workbench.run(at: upstream.origin) { bench in
                let error = try await providerError { _ = try await bench.reconcile(notBefore: started) }
                #expect(error.code == .permanent)
                #expect(upstream.requests.count == 1)
            }
        }
        let origin = Mutex("")
        try await ScriptedUpstream.run(
            Script { request in
                .json(["value": [], "@odata.nextLink": .string(origin.withLock { $0 } + request.target)])
            }
        ) { upstream in
            origin.withLock { $0 = upstream.origin }
            try await Workbench.run(at: upstream.origin) { bench in
                let error = try await providerError { _ = try await bench.reconcile(notBefore: started) }
                #expect(error.code == .ambiguous)
                #expect(upstream.requests.count == 100)
            }
        }
        try await ScriptedUpstream.run(Script { _ in .json(["id": "x"]) }) { upstream in
            try await Workbench.run(at: upstream.origin) { bench in
                let error = try await providerError { _ = try await bench.reconcile(notBefore: started) }
                #expect(error.code == .transient)
            }
        }
    }

    @Test("a status: the captured answer with the wait that it asks for")
    func status() async throws {
        let body = try recordings.json("goals-get-running.response.json")
        try await ScriptedUpstream.run(
            Script { request in
                request.target.hasSuffix("/lost")
                    ? .json(["error": ["innerError": ["code": "exportJobNotFound"]]], status: 404)
                    : .json(body, headers: [("Retry-After", "60")])
            }
        ) { upstream in
            try await Workbench.run(at: upstream.origin) { bench in
                let observation = try await bench.observe(Self.reference)
                #expect(observation.status == .running)
                #expect(observation.pollAfter == .seconds(60))
                #expect(upstream.requests.map(\.target) == [Self.path + "/" + Self.idInPath])
                let lost = try await providerError { _ = try await bench.observe(UpstreamReference(id: "lost")) }
                #expect(lost.code == .notFound)
            }
        }
    }

    @Test("a download: the address is made from the id; a web page is refused")
    func download() async throws {
        try await ScriptedUpstream.run(
            Script { request in
                request.target.contains("page")
                    ? .text("<html>", headers: [("Content-Type", "text/html")])
                    : .text("a,b\n", headers: [("Content-Type", "text/csv"), ("request-id", "r2")])
            }
        ) { upstream in
            try await Workbench.run(at: upstream.origin) { bench in
                let body = try await bench.open(Self.reference)
                #expect(body.head == FileBody.Head(contentType: "text/csv", contentLength: 4, requestID: "r2"))
                let bytes = try await body.collected()
                #expect(bytes == Array("a,b\n".utf8))
                #expect(upstream.requests.map(\.target) == [Self.path + "/" + Self.idInPath + "/content"])
                let error = try await providerError { _ = try await bench.open(UpstreamReference(id: "page")) }
                #expect(error.code == .permanent)
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
                let body = try await bench.open(Self.reference, range: range)
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
        arguments: [
            (404, ProviderError.Code.gone), (410, .gone), (409, .transient), (202, .transient), (400, .transient),
            (403, .forbidden),
        ]
    )
    func noFile(status: Int, code: ProviderError.Code) async throws {
        try await ScriptedUpstream.run(Script { _ in .empty(status) }) { upstream in
            try await Workbench.run(at: upstream.origin) { bench in
                let error = try await providerError { _ = try await bench.open(Self.reference) }
                #expect(error.code == code)
            }
        }
    }

    @Test("a redirection is followed to the storage hosts of the settings only, and without the token")
    func redirected() async throws {
        try await ScriptedUpstream.run(Script { _ in .text("a,b\n") }) { storage in
            let location = storage.origin + "/container/file.csv?sig=abc%2F"
            try await ScriptedUpstream.run(
                Script { _ in .empty(302, headers: [("Location", location)]) }
            ) { upstream in
                try await Workbench.run(at: upstream.origin) { bench in
                    let error = try await providerError { _ = try await bench.open(Self.reference) }
                    #expect(error.code == .unauthenticated)
                    #expect(storage.requests.isEmpty)
                }
                try await Workbench.run(at: upstream.origin, openHosts: [storage.origin]) { bench in
                    let bytes = try await bench.open(Self.reference).collected()
                    #expect(bytes == Array("a,b\n".utf8))
                    let request = try #require(storage.requests.first)
                    #expect(request.target == "/container/file.csv?sig=abc%2F")
                    #expect(request.header("authorization") == nil)
                }
            }
        }
    }

    @Test("no token of the caller: no call; no cancel either")
    func noCall() async throws {
        try await ScriptedUpstream.run(Script { _ in .empty(200) }) { upstream in
            try await Workbench.run(at: upstream.origin) { bench in
                let anonymous = CallContext(requestID: "x")
                let words = await bench.provider.observe([Self.reference], context: anonymous)
                guard case .failure(let error) = words[Self.reference] else { throw NothingThrown() }
                #expect(error.code == .unauthenticated)
                let cancel = try await providerError {
                    try await bench.provider.cancel(Self.reference, context: Workbench.context)
                }
                #expect(cancel.code == .unsupported)
                #expect(upstream.requests.isEmpty)
            }
        }
    }
}
