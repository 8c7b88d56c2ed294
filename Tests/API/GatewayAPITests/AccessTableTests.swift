import CallerIdentity
import HTTPFields
import Exports
import HTTPTypes
import JSON
import ManualClock
import SystemCrypto
import Synchronization
import TestTokens
import Testing
import Webhooks

@testable import GatewayAPI

/// Every route, asked by every kind of caller in every way that could tell of another caller's export.
@Suite(.timeLimit(.minutes(10))) struct AccessTableTests {
    /// A way to ask: what of an export it could bring out.
    private struct Way {
        var name: String
        var headers: HTTPFields = [:]
        var query = ""
        var isForDownloads = false
        var isForLists = false
        /// Asked of an export that is not finished, where a wait would begin.
        var wantsRunning = false
    }

    /// A gateway with one export, and everything about that export that another caller must not learn.
    private struct Scene {
        let gateway: TestGateway
        let export: Export
        let webhook: Webhook
        let canaries: [String]

        init(_ visitor: Visitor, isRunning: Bool) async throws {
            let authority = try TestAuthority()
            let time = ManualTime(now: visitor.now)
            let service = FakeExportService(time: time) { _ throws(GatewayError) in
                fileBody(["canary-bytes"], contentLength: 12)
            }
            gateway = TestGateway(time: time, service: service, audit: FakeAuditService()) { settings in
                guard !visitor.needsNoCredential else { return }
                settings.apiKeys = Visitor.keys
                settings.tokenAuthority = authority.settings()
                settings.clientCertificates = Visitor.certificates
            }
            export = service.put(isRunning ? .running : .succeeded) { export in
                export.name = "canary-name"
                export.createdBy = visitor.owner
                export.source = ["format": "PDF", "filter": "canary-source"]
                export.files = [ExportFile(id: "1", name: "canary-file.csv", size: 12)]
                export.upstream = UpstreamState(id: "canary-upstream")
                // What was delivered there has no files to download here.
                if isRunning { export.destination = "https://canary-destination.example" }
            }
            var delivery = Delivery(
                id: export.id,
                exportID: export.id,
                fileID: "1",
                caller: visitor.owner,
                requestID: "canary-request",
                startedAt: export.createdAt,
                endedAt: export.createdAt,
                coding: "identity",
                outcome: .whole
            )
            delivery.sha256 = "canary-digest"
            await service.record(delivery)
            webhook = gateway.webhooks.put(of: visitor.owner) { $0.label = "canary-label" }
            canaries = ["canary", String(EntityTag(of: export).opaque), "\(webhook.id).\(webhook.revision)"]
        }

        /// The owner has created it with this key and this body before.
        func claim(_ key: String, _ body: String) throws {
            let fingerprint = try CreateBody(Array(body.utf8), providers: gateway.service.providers).fingerprint
            gateway.service.state.withLock { $0.keys[export.createdBy + "|" + key] = (fingerprint, export.id) }
        }
    }

    private static let ways: [Way] = [
        Way(name: "plain"),
        Way(name: "plain, while it runs", wantsRunning: true),
        Way(name: "any version known", headers: [.ifNoneMatch: "*"]),
        Way(name: "asked again", headers: [.cacheControl: "no-cache"]),
        Way(name: "with an upstream token", headers: [.upstreamAuthorization: "Bearer another-callers-token"]),
        Way(
            name: "with a token for downloads",
            headers: [.upstreamDownloadAuthorization: "Bearer another-callers-token"],
            isForDownloads: true
        ),
        Way(name: "after an event", headers: [.lastEventID: "0"]),
        Way(name: "waiting", headers: [.prefer: "wait=5"], wantsRunning: true),
        Way(name: "a range", headers: [.range: "bytes=0-3"], isForDownloads: true),
        Way(name: "as an archive", headers: [.accept: "application/zip"], isForDownloads: true),
        Way(name: "compressed", headers: [.acceptEncoding: "gzip"], isForDownloads: true),
        Way(name: "if it is some version", headers: [.ifMatch: "*"], isForDownloads: true),
        Way(name: "by provider", query: "?provider=power-bi", isForLists: true),
        Way(name: "by status", query: "?status=succeeded", isForLists: true),
        Way(name: "by connection", query: "?connection=contoso&limit=1", isForLists: true),
        Way(name: "by time", query: "?createdAfter=2000-01-01T00:00:00Z", isForLists: true),
    ]

    @Test func nobodySeesAnothersExport() async throws {
        var (cells, leaks) = (0, 0)
        for visitor in try await Visitor.keyHolders + Visitor.tokenHolders() + Visitor.certificateHolders() {
            // Of a ticket, the path says who calls.
            for route in RouteTable.routes
            where route.authority != .ticket && Listener.everything.has(route.operation) {
                var scenes: [Bool: Scene] = [:]
                for way in Self.ways where Self.fits(way, route, visitor) {
                    cells += 1
                    if try await !isTight(visitor, route, way, &scenes) { leaks += 1 }
                }
            }
        }
        print("route x caller: \(cells) cells checked, \(leaks) leaks")
        #expect(leaks == 0)
        #expect(cells > 5400)
    }

    private static let bodies: [Operation: String] = [
        .resolveExport: #"{"outcome":"abandoned"}"#, .createWebhook: #"{"url":"https://receiver.example.com/"}"#,
        .updateWebhook: #"{"label":"another"}"#, .replayWebhookDeliveries: #"{"since":"2000-01-01T00:00:00Z"}"#,
    ]

    private static func fits(_ way: Way, _ route: Route, _ visitor: Visitor) -> Bool {
        if way.isForDownloads, !route.isDownload { return false }
        // The ways are ways to ask for exports; a webhook has fewer.
        let isOfWebhooks = route.pattern.hasPrefix("/webhooks")
        if isOfWebhooks, way.name != "plain", way.headers[.ifNoneMatch] == nil { return false }
        if way.isForLists, ![.listExports, .streamEvents].contains(route.operation) { return false }
        // Who may see a running export would wait for it here.
        return !way.wantsRunning || !visitor.seesTheExport
    }

    /// Asks, and looks at the answer and at what it brought about. What a known caller is refused, or only reads, leaves a gateway as it
    /// was: the next way asks that one, from `scenes`, because to make one takes longer than to ask it. An unknown token makes a
    /// gateway ask for keys, and that not twice at once.
    private func isTight(
        _ visitor: Visitor,
        _ route: Route,
        _ way: Way,
        _ scenes: inout [Bool: Scene]
    ) async throws -> Bool {
        let expected = visitor.outcome(of: route)
        let scene: Scene
        if let kept = scenes[way.wantsRunning] {
            scene = kept
        } else {
            scene = try await Scene(visitor, isRunning: way.wantsRunning)
        }
        let leavesAllAsItWas =
            switch expected {
            case .unauthenticated: false
            case .forbidden, .hidden: true
            case .served: [.get, .head].contains(route.method)
            }
        scenes[way.wantsRunning] = leavesAllAsItWas ? scene : nil
        let cell = "\(visitor.name): \(route.operation), \(way.name)"
        let isWebhook = route.pattern.hasPrefix("/webhooks")
        let id = isWebhook ? scene.webhook.id : scene.export.id
        let answer = try await ask(visitor, route, way, id, scene)
        let isAsExpected =
            switch expected {
            case .unauthenticated: answer.status == 401
            case .forbidden: answer.status == 403
            case .hidden: answer.status == 404
            case .served: ![401, 403, 404].contains(answer.status)
            }
        #expect(isAsExpected, "\(cell): \(answer.status), not \(expected)")
        guard !visitor.seesTheExport || expected != .served else { return isAsExpected }

        let text = answer.body + answer.headers.map { "\($0.name): \($0.value)" }.joined(separator: "\n")
        let told = scene.canaries.filter { text.contains($0) }
        #expect(told.isEmpty, "\(cell): tells \(told)")
        let effects =
            scene.gateway.service.state.withLock { $0.effects } + scene.gateway.webhooks.state.withLock { $0.effects }
        #expect(effects.isEmpty, "\(cell): \(effects)")
        #expect(scene.gateway.service.state.withLock { $0.exports[scene.export.id] } == scene.export, "\(cell)")
        #expect(scene.gateway.webhooks.state.withLock { $0.webhooks.contains(scene.webhook) }, "\(cell)")
        var isSame = true
        if expected == .hidden {
            // Letter for letter what is said of an id that was never given out.
            let unknown = try #require(ExportID("01981f3e-7c1a-7b52-9d3e-0242ac120002"))
            let other = try await ask(visitor, route, way, unknown, scene)
            isSame =
                other.status == answer.status && Self.undated(other) == Self.undated(answer)
                && other.body.replacing("\(unknown)", with: "") == answer.body.replacing("\(id)", with: "")
            #expect(isSame, "\(cell): differs from an unknown id")
        }
        return isAsExpected && told.isEmpty && effects.isEmpty && isSame
    }

    private static func undated(_ answer: Answer) -> HTTPFields {
        var headers = answer.headers
        headers[.date] = nil
        return headers
    }

    private func ask(
        _ visitor: Visitor,
        _ route: Route,
        _ way: Way,
        _ id: ExportID,
        _ scene: Scene
    ) async throws -> Answer {
        var headers = way.headers
        headers[.requestID] = "the-table"
        for line in visitor.credentials { headers.append(HTTPField(name: .authorization, value: line)) }
        let isProvider = route.pattern.hasPrefix("/providers")
        let target =
            route.pattern.replacing("{id}", with: isProvider ? "power-bi" : "\(id)").replacing("{fileId}", with: "1")
            .replacing("{webhookId}", with: "\(id)").replacing("{messageId}", with: "message-1")
        guard route.operation == .createExport else {
            let body = Self.bodies[route.operation]
            if body != nil { headers[.contentType] = "application/json" }
            return try await scene.gateway.call(
                route.method,
                target + way.query,
                headers: headers,
                body: body,
                on: visitor.channel
            )
        }
        // The owner's own request once more, key and all.
        try scene.claim("the-key", CreateExportTests.body)
        headers[.idempotencyKey] = "\"the-key\""
        let answer = try await scene.gateway.create(CreateExportTests.body, headers: headers, on: visitor.channel)
        if answer.status == 202, !visitor.isOwner {
            #expect(answer.headers[.idempotencyReplayed] == nil, "\(visitor.name) replays another's request")
        }
        return answer
    }

    @Test func theOwnersOwnRequestIsReplayed() async throws {
        let owner = try #require(Visitor.keyHolders.first { $0.isOwner })
        let scene = try await Scene(owner, isRunning: false)
        let route = try #require(RouteTable.routes.first { $0.operation == .createExport })
        let answer = try await ask(owner, route, Way(name: "plain"), scene.export.id, scene)
        #expect(answer.headers[.idempotencyReplayed] == "true")
        #expect(answer.json["id"]?.string == "\(scene.export.id)")
    }

    /// Who sees others' exports must neither act with the owner's upstream token nor put its own in that one's place: the
    /// service hears each time whose the call is. Where nobody has to say who they are, all are one.
    @Test func theServiceHearsWhoseTokenItIs() async throws {
        let everybody = try await Visitor.keyHolders + Visitor.tokenHolders() + Visitor.certificateHolders()
        for name in [
            "owner", "administrator", "anonymous", "owning user", "administrating user", "owning certificate",
            "administrating certificate",
        ] {
            let visitor = try #require(everybody.first { $0.name == name })
            for route in RouteTable.routes where route.pattern.hasPrefix("/exports/{id}") {
                // Whoever has no permission of its own for this is refused before it is heard.
                if let permission = route.permission, visitor.permissions?.allow(permission) != true { continue }
                let scene = try await Scene(visitor, isRunning: false)
                let way = Way(name: "with a token", headers: [.upstreamAuthorization: "Bearer own-token"])
                let answer = try await ask(visitor, route, way, scene.export.id, scene)
                // The export of the table is no unconfirmed one.
                #expect(
                    answer.status < 400 || (route.operation == .resolveExport && answer.code == "submission-known"),
                    "\(route.operation): \(answer.status) \(answer.body)"
                )
                let heard = scene.gateway.service.state.withLock { $0.viewers }
                #expect(heard.isEmpty == (route.operation == .listExportDeliveries), "\(route.operation)")
                // A stream lasts longer than a token, and so does a ticket.
                let takesNone: Set<Operation> = [
                    .streamExportEvents, .createDownloadTicket, .retainExport, .releaseExport,
                ]
                let token = takesNone.contains(route.operation) ? nil : Secret("own-token")
                for viewer in heard {
                    #expect(viewer.token == token, "\(route.operation)")
                    let isOwner = visitor.isOwner || visitor.needsNoCredential
                    #expect(viewer.owns(scene.export) == isOwner, "\(name): \(route.operation)")
                }
            }
        }
    }

    @Test func aCursorIsOfNoUseToOthers() async throws {
        let service = FakeExportService(time: ManualTime())
        let gateway = TestGateway(service: service) { $0.apiKeys = Visitor.keys }
        for _ in 0..<3 { _ = service.put { $0.createdBy = "owner" } }
        func list(_ name: String, _ query: String) async throws -> Answer {
            try await gateway.call(.get, "/exports" + query, headers: [.authorization: "Bearer key-of-\(name)"])
        }
        let page = try await list("owner", "?limit=1")
        let cursor = try #require(page.json["nextCursor"]?.string)
        #expect(try await list("owner", "?limit=5&cursor=\(cursor)").json["value"]?.array?.count == 2)
        #expect(try await list("other", "?cursor=\(cursor)").status == 400)
        #expect(try await list("auditor", "?cursor=\(cursor)").status == 400)
        #expect(try await list("auditor", "").json["value"]?.array?.count == 3)
        #expect(try await list("other", "").json["value"]?.array?.isEmpty == true)
    }

    @Test func whatIsMissingIsNamed() async throws {
        let gateway = TestGateway { $0.apiKeys = Visitor.keys }
        func refused(_ name: String, _ body: String = CreateExportTests.body) async throws -> Answer {
            try await gateway.create(body, headers: [.authorization: "Bearer key-of-\(name)"])
        }
        let create = try await refused("no-create")
        #expect(create.status == 403)
        #expect(create.code == "forbidden")
        #expect(create.json["permission"]?.string == "Exports.Create")
        #expect(
            create.headers[.wwwAuthenticate]
                == "Bearer realm=\"export-gateway\", error=\"insufficient_scope\", scope=\"Exports.Create\""
        )
        #expect(try await refused("no-connection").json["permission"]?.string == "Connections.Use:<name>")
        let named = CreateExportTests.body.replacing("{", with: "{\"connection\":\"contoso\",", maxReplacements: 1)
        #expect(try await refused("other-connection", named).json["permission"]?.string == "Connections.Use:contoso")
        // The only one that it may use needs no name, and one that there is not is not a connection.
        let only = try await refused("this-connection")
        #expect(only.json["connection"]?.string == "contoso")
        let missing = CreateExportTests.body.replacing("{", with: "{\"connection\":\"fabrikam\",", maxReplacements: 1)
        #expect(
            try await refused("other-connection", missing).faults == ["/connection: is not a connection of power-bi"]
        )
    }

    @Test func connectionsAreShownToThoseWhoMayUseThem() async throws {
        let gateway = TestGateway { $0.apiKeys = Visitor.keys }
        for (name, connections) in [
            ("owner", ["contoso"]), ("this-connection", ["contoso"]), ("other-connection", []), ("powerless", []),
        ] as [(String, [String])] {
            let headers: HTTPFields = [.authorization: "Bearer key-of-\(name)"]
            let one = try await gateway.call(.get, "/providers/power-bi", headers: headers)
            #expect(one.json["connections"]?.array?.compactMap(\.string) == connections)
            let all = try await gateway.call(.get, "/providers", headers: headers)
            let shown = all.json["value"]?.array?.flatMap { $0["connections"]?.array ?? [] }.compactMap(\.string) ?? []
            #expect(Set(shown) == Set(connections))
        }
    }
}
