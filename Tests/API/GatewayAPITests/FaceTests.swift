import Exports
import JSON
import Synchronization
import HTTPTypes
import InMemoryLogging
import Logging
import Testing

@testable import GatewayAPI

/// What holds for every request, whatever it is about.
@Suite struct FaceTests {
    @Test func unknownPaths() async throws {
        for path in [
            "/", "/export", "/exports/", "//exports", "/exports/x/y", "/exports//files", "/exports/..", "/Exports",
        ] {
            let answer = try await TestGateway().call(.get, path)
            #expect(answer.status == 404, "\(path)")
            #expect(answer.code == "not-found")
            #expect(answer.json["instance"]?.string == path)
        }
    }

    @Test(arguments: [
        ("/exports", "POST, GET, HEAD"), ("/exports/1", "GET, HEAD, DELETE"), ("/exports/1/files", "GET, HEAD"),
        ("/exports/events", "GET, HEAD"), ("/exports/1/events", "GET, HEAD"),
        ("/exports/1/files/1", "GET, HEAD"), ("/exports/1/content", "GET, HEAD"), ("/providers", "GET, HEAD"),
        ("/providers/power-bi", "GET, HEAD"), ("/livez", "GET, HEAD"), ("/readyz", "GET, HEAD"),
        ("/metrics", "GET, HEAD"), ("/openapi.yaml", "GET, HEAD"),
    ])
    func wrongMethods(path: String, allow: String) async throws {
        let gateway = TestGateway()
        for method: HTTPRequest.Method in [.put, .patch, .options, .trace, .head, .get, .post, .delete] {
            if allow.split(separator: ", ").contains(Substring(method.rawValue)) { continue }
            let answer = try await gateway.call(method, path)
            #expect(answer.status == 405)
            #expect(answer.headers[.allow] == allow)
        }
    }

    @Test func headIsGetWithoutItsContent() async throws {
        let gateway = TestGateway()
        let export = gateway.service.put(.succeeded)
        let paths = ["", "/\(export.id)", "/\(export.id)/files", "/\(export.id)/deliveries"].map { "/exports" + $0 }
        for path in paths + ["/providers", "/providers/power-bi", "/livez", "/readyz", "/openapi.yaml"] {
            let get = try await gateway.call(.get, path)
            let head = try await gateway.call(.head, path)
            #expect(head.status == 200 && get.status == 200, "\(path)")
            #expect(head.body.isEmpty && !get.body.isEmpty)
            #expect(head.headers[.contentLength] == String(get.body.utf8.count), "\(path)")
            #expect(head.headers[.eTag] == get.headers[.eTag])
        }
        #expect(try await gateway.call(.head, "/exports/1").status == 404)
    }

    @Test func anotherListenerTakesTheMetrics() async throws {
        let segments = RequestTarget("/metrics")?.segments ?? []
        for (listener, isThere) in [(Listener.everything, true), (.callers, false), (.platform, true)] {
            for method in [HTTPRequest.Method.get, .head] {
                guard case .route = RouteTable.match(method, segments, on: listener) else {
                    #expect(!isThere, "\(listener)")
                    continue
                }
                #expect(isThere, "\(listener)")
            }
        }
        for route in RouteTable.routes {
            let isProbe = ["/livez", "/readyz"].contains(route.pattern)
            let isOfPlatform = ["/metrics", "/reload"].contains(route.pattern)
            #expect(Listener.platform.has(route.operation) == (isProbe || isOfPlatform))
            #expect(Listener.callers.has(route.operation) == !isOfPlatform)
            // Where the platform has no listener of its own, callers share theirs with it: nothing there may reload.
            #expect(Listener.everything.has(route.operation) == (route.pattern != "/reload"))
        }
    }

    @Test func targetsThatAreNone() async throws {
        for target in ["*", "exports", "/exports/%zz", "/exports/%ff", "/a#b", "http://", "http://x"] {
            #expect(try await TestGateway().call(.get, target).status == 400, "\(target)")
        }
        let absolute = try await TestGateway().call(.get, "http://example.org/livez")
        #expect(absolute.status == 200)
        #expect(try await TestGateway().call(.get, "/livez?").status == 200)
    }

    /// A proxy that protects `/metrics` in front of the gateway compares paths as they come.
    @Test func aPathHasOneSpelling() async throws {
        let gateway = TestGateway()
        for target in ["/%6Civez", "/%6detrics", "/metric%73", "/%65xports", "/exports%2F1", "/METRICS"] {
            #expect(try await gateway.call(.get, target).status == 404, "\(target)")
        }
        // Values are decoded.
        #expect(try await gateway.call(.get, "/providers/power%2Dbi").status == 200)
    }

    @Test func longTargetsAndHeaders() async throws {
        let gateway = TestGateway {
            $0.maxTargetBytes = 100
            $0.maxHeaderBytes = 500
        }
        let target = try await gateway.call(.get, "/exports?cursor=" + String(repeating: "a", count: 100))
        #expect(target.status == 414)
        #expect(target.code == "uri-too-long")
        let headers = try await gateway.call(.get, "/livez", headers: [.cookie: String(repeating: "a", count: 500)])
        #expect(headers.status == 431)
        #expect(headers.code == "header-fields-too-large")
    }

    @Test func keys() async throws {
        let (gateway, key) = TestGateway.locked()
        for value in [
            nil, "Bearer wrong", "Bearer", "Bearer ", "Basic \(key)", key, "Bearer \(key)x",
        ] {
            var headers: HTTPFields = [:]
            headers[.authorization] = value
            let answer = try await gateway.call(.get, "/exports", headers: headers)
            #expect(answer.status == 401)
            // RFC 6750, 3.1: who sends no token of this kind is told only that one is wanted.
            let isWrongKey = value?.hasPrefix("Bearer ") == true && value != "Bearer "
            #expect(
                answer.headers[.wwwAuthenticate]
                    == "Bearer realm=\"export-gateway\"" + (isWrongKey ? ", error=\"invalid_token\"" : "")
            )
            #expect(!answer.body.contains(key))
        }
        var twice: HTTPFields = [.authorization: "Bearer \(key)"]
        twice.append(HTTPField(name: .authorization, value: "Bearer \(key)"))
        #expect(try await gateway.call(.get, "/exports", headers: twice).status == 401)
        #expect(try await gateway.call(.get, "/exports", headers: [.authorization: "bearer \(key)"]).status == 200)
        let created = try await gateway.create(CreateExportTests.body, headers: [.authorization: "Bearer \(key)"])
        #expect(created.json["createdBy"]?.string == "reporting")
        for open in ["/livez", "/readyz", "/metrics", "/openapi.yaml"] {
            #expect(try await gateway.call(.get, open).status == 200)
        }
        // Who has no key learns which paths there are, as from openapi.yaml, and nothing else.
        for route in RouteTable.routes where route.needsCaller {
            let target = route.pattern.replacing("{id}", with: "power-bi").replacing("{fileId}", with: "1")
            #expect(try await gateway.call(route.method, target).status == 401)
        }
    }

    @Test(
        arguments: [
            (nil, 200), ("*/*", 200), ("application/*;q=0.1", 200), ("text/html, application/json", 200),
            ("APPLICATION/JSON", 200), ("text/html", 406), ("application/json;q=0", 406),
            ("*/*, application/json;q=0", 406),
            ("application/problem+json", 406), ("", 200),
        ] as [(String?, Int)]
    )
    func acceptableTypes(accept: String?, status: Int) async throws {
        var headers: HTTPFields = [:]
        headers[.accept] = accept
        #expect(try await TestGateway().call(.get, "/providers", headers: headers).status == status)
    }

    @Test func requestIDs() async throws {
        let gateway = TestGateway()
        #expect(
            try await gateway.call(.get, "/livez", headers: [.requestID: "a-B_3.x"]).headers[.requestID] == "a-B_3.x"
        )
        #expect(try await gateway.call(.get, "/nowhere", headers: [.requestID: "e1"]).headers[.requestID] == "e1")
        for bad in ["", "a b", "a\u{e9}", String(repeating: "a", count: 65), "a/b"] {
            let id = try #require(
                try await gateway.call(.get, "/livez", headers: [.requestID: bad]).headers[.requestID]
            )
            #expect(id != bad)
            #expect(id.count == 16)
        }
    }

    @Test func foreignErrorsTellNothing() async throws {
        struct Secretive: Error, CustomStringConvertible { let description = "sig=topsecret" }
        let problem = ProblemDocument.unexpected(Secretive())
        #expect(problem.code == .internalError)
        #expect(ProblemDocument.status(of: problem.code) == .internalServerError)
        #expect(!problem.detail.contains("topsecret"))
        #expect(ProblemDocument.unexpected(CancellationError()).code == .unavailable)
    }

    @Test(arguments: ProblemCode.allCases) func everyProblemHasAStatus(code: ProblemCode) {
        #expect((400...599).contains(ProblemDocument.status(of: code).code))
    }

    @Test func health() async throws {
        let gateway = TestGateway()
        #expect(try await gateway.call(.get, "/livez").body == "{\"status\":\"pass\",\"version\":\"1.2.3\"}")
        #expect(try await gateway.call(.get, "/readyz").body == "{\"status\":\"pass\",\"version\":\"1.2.3\"}")
        gateway.service.state.withLock { $0.isReady = false }
        #expect(try await gateway.call(.get, "/readyz").status == 503)
        #expect(try await gateway.call(.get, "/livez").status == 200)
        let starting = try await TestGateway(isServing: false).call(.get, "/readyz")
        #expect(starting.code == "unavailable")
        #expect(starting.json["readiness"] == "notReady")
        #expect(starting.json["reasons"]?.array?.first?["code"] == "starting-or-stopping")
        let degraded = try await TestGateway(impediments: [.diskFull]).call(.get, "/readyz")
        #expect(degraded.status == 200)
        #expect(degraded.json["status"] == "degraded")
        #expect(degraded.json["reasons"]?.array?.compactMap { $0["code"] } == ["ledger-disk-full"])
    }

    @Test func providers() async throws {
        let gateway = TestGateway()
        let all = try await gateway.call(.get, "/providers")
        #expect(
            all.json["value"]?.array?.compactMap { $0["id"]?.string }
                == ["graph-ediscovery", "viva-goals", "power-bi"]
        )
        let one = try await gateway.call(.get, "/providers/viva-goals")
        #expect(
            one.json == [
                "id": "viva-goals", "title": "The product viva-goals", "description": "Exports things.",
                "connections": ["contoso"], "optionsMember": "vivaGoals", "optionsSchema": ["type": "object"],
                "capabilities": [
                    "cancel": false, "progress": false, "listing": false, "batchObserve": false, "reconcile": false,
                    "rangeDownload": false, "multipleFiles": false, "resubmitIsHarmless": false,
                    "delegatedOnly": false, "minimumPollIntervalSeconds": .number(2.5),
                    "requestBudget": ["count": 5, "perSeconds": 60], "downloadLifetimeSeconds": 86400,
                    "formats": ["PDF", "PPTX"],
                ], "retirement": ["retiredOn": "2025-12-31", "detail": "Microsoft retired it."],
            ]
        )
        let missing = try await gateway.call(.get, "/providers/powerbi")
        #expect(missing.status == 404)
        #expect(missing.json["detail"]?.string?.contains("power-bi") == true)
    }

    @Test func oneLineForEachRequestAndNoSecretInIt() async throws {
        let handler = InMemoryLogHandler()
        let (_, key) = TestGateway.locked()
        let gateway = TestGateway(logger: Logger(label: "tests") { _ in handler })
        _ = try await gateway.call(
            .get,
            "/exports?cursor=SECRETQUERY",
            headers: [
                .authorization: "Bearer \(key)", .upstreamAuthorization: "Bearer SECRETTOKEN", .requestID: "id-1",
            ]
        )
        _ = try await gateway.call(.get, "/SECRETPATH")
        let lines = handler.entries.filter { "\($0.message)" == "request" }
        #expect(lines.count == 2)
        #expect(lines.first?.metadata["route"] == "/exports")
        #expect(lines.first?.metadata["status"]?.description == "400")
        #expect(lines.first?.metadata["caller"] == "anonymous")
        #expect(lines.first?.metadata["request_id"] == "id-1")
        #expect(lines.first?.metadata["code"] == "invalid-parameter")
        #expect(lines.last?.metadata["route"] == "none")
        let everything = handler.entries.map { "\($0.message) \($0.metadata)" }.joined()
        #expect(!everything.contains("SECRET") && !everything.contains(key))
    }

    @Test func figures() async throws {
        let gateway = TestGateway()
        _ = try await gateway.call(.get, "/exports/01981f3e-7c1a-7b52-9d3e-0242ac120002")
        _ = try await gateway.call(.get, "/made/up")
        _ = try await gateway.call(.init("BREW")!, "/exports")
        let answer = try await gateway.call(.get, "/metrics")
        #expect(answer.headers[.contentType] == "text/plain; version=0.0.4; charset=utf-8")
        for line in [
            #"{http_request_method="GET",http_response_status_code="404",http_route="/exports/{id}",url_scheme="http"} 1"#,
            #"{http_request_method="GET",http_response_status_code="404",url_scheme="http"} 1"#,
            #"{http_request_method="_OTHER",http_response_status_code="405",url_scheme="http"} 1"#,
        ] {
            #expect(answer.body.contains("http_server_request_duration_seconds_count\(line)\n"), "\(line)")
        }
        #expect(answer.body.contains("http_server_active_requests 1\n"))
    }
}
