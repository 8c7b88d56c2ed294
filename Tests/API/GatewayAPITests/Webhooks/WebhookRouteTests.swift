import CallerIdentity
import Exports
import HTTPTypes
import JSON
import ManualClock
import SystemCrypto
import Synchronization
import Testing
import Webhooks

@testable import GatewayAPI

@Suite struct WebhookRouteTests {
    private let json: HTTPFields = [.contentType: "application/json"]
    private let merge: HTTPFields = [.contentType: "application/merge-patch+json"]

    @Test func aNewWebhookComesWithItsSecret() async throws {
        let gateway = TestGateway()
        let body =
            #"{"url":"https://ci.example.com/hooks","label":"CI","types":["export.succeeded"],"provider":"power-bi","connection":"contoso"}"#
        let answer = try await gateway.call(.post, "/webhooks", headers: json, body: body)
        #expect(answer.status == 201)
        #expect(answer.headers[.cacheControl] == "no-store")
        let webhook = try #require(gateway.webhooks.state.withLock { $0.webhooks.first })
        #expect(answer.headers[.location] == "webhooks/\(webhook.id)")
        #expect(answer.headers[.eTag] == "W/\"\(webhook.id).1.enabled\"")
        let expected: JSONValue = [
            "id": .string("\(webhook.id)"), "href": .string("webhooks/\(webhook.id)"),
            "url": "https://ci.example.com/hooks", "label": "CI", "types": ["export.succeeded"],
            "provider": "power-bi", "connection": "contoso", "state": "enabled",
            "createdAt": .string("\(webhook.createdAt)"), "updatedAt": .string("\(webhook.updatedAt)"),
            "createdBy": "anonymous",
            "secret": .string(WebhookSecret { Array(repeating: 5, count: $0) }.reveal()),
        ]
        #expect(answer.json == expected)
    }

    @Test func allEventsOfExportsAreSentUnlessSaidOtherwise() async throws {
        let gateway = TestGateway()
        _ = try await gateway.call(.post, "/webhooks", headers: json, body: #"{"url":"https://ci.example.com"}"#)
        #expect(gateway.webhooks.state.withLock { $0.webhooks.first?.types } == WebhookEventType.ofExports)
    }

    @Test(arguments: [
        (#"{}"#, "/url"), (#"{"url":7}"#, "/url"), (#"{"url":""}"#, "/url"),
        (#"{"url":"https://a.example","types":[]}"#, "/types"),
        (#"{"url":"https://a.example","types":["export.created","export.done"]}"#, "/types/1"),
        (#"{"url":"https://a.example","types":["webhook.test"]}"#, "/types/0"),
        (#"{"url":"https://a.example","label":"a\u0007b"}"#, "/label"),
        (#"{"url":"https://a.example","label":"a\nb"}"#, "/label"),
        (#"{"url":"https://a.example","label":null}"#, "/label"),
        (#"{"url":"https://a.example","provider":"powerbi"}"#, "/provider"),
        (#"{"url":"https://a.example","secret":"whsec_AAAA"}"#, "/secret"),
        (#"{"url":"https://a.example","state":"disabled"}"#, "/state"),
    ]) func faultsNameTheField(body: String, pointer: String) async throws {
        let answer = try await TestGateway().call(.post, "/webhooks", headers: json, body: body)
        #expect(answer.status == 422 && answer.code == "invalid-webhook")
        #expect(answer.json["errors"]?.array?.map { $0["pointer"]?.string } == [pointer])
    }

    @Test func aWebhookIsReadWithoutItsSecret() async throws {
        let gateway = TestGateway()
        let webhook = gateway.webhooks.put { webhook in
            webhook.state = .disabledByGateway
            webhook.disabledReason = "failing"
            webhook.failingSince = webhook.createdAt
        }
        let answer = try await gateway.call(.get, "/webhooks/\(webhook.id)")
        #expect(answer.status == 200 && answer.json["secret"] == nil)
        #expect(answer.json["state"] == "disabledByGateway" && answer.json["disabledReason"] == "failing")
        #expect(answer.json["failingSince"]?.string == "\(webhook.createdAt)")
        #expect(answer.json["href"]?.string == "\(webhook.id)")
        #expect(try await gateway.call(.get, "/webhooks/nothing").status == 404)
    }

    @Test func listsHavePages() async throws {
        let time = ManualTime()
        let gateway = TestGateway(time: time)
        var ids: [String] = []
        for _ in 0..<3 {
            time.advance(by: .milliseconds(2))
            ids.append("\(gateway.webhooks.put().id)")
        }
        let first = try await gateway.call(.get, "/webhooks?limit=2")
        func shown(_ answer: Answer) -> [String] { answer.json["value"]?.array?.compactMap { $0["id"]?.string } ?? [] }
        #expect(shown(first) == Array(ids[..<2]))
        let cursor = try #require(first.json["nextCursor"]?.string)
        let second = try await gateway.call(.get, "/webhooks?limit=2&cursor=\(cursor)")
        #expect(shown(second) == Array(ids[2...]) && second.json["nextCursor"] == nil)
        #expect(try await gateway.call(.get, "/webhooks?cursor=AAAA").code == "invalid-parameter")
        #expect(try await gateway.call(.get, "/exports?cursor=\(cursor)").code == "invalid-parameter")
    }

    @Test func aMergePatchChangesAndRemoves() async throws {
        let gateway = TestGateway()
        let webhook = gateway.webhooks.put { webhook in
            webhook.label = "old"
            webhook.connection = "contoso"
            webhook.provider = ProviderID("power-bi")
        }
        let body = #"{"label":null,"connection":null,"types":null,"url":"https://b.example","state":"disabled"}"#
        let answer = try await gateway.call(.patch, "/webhooks/\(webhook.id)", headers: merge, body: body)
        #expect(answer.status == 200)
        #expect(answer.json["label"] == nil && answer.json["connection"] == nil)
        #expect(answer.json["provider"] == "power-bi" && answer.json["url"] == "https://b.example")
        #expect(answer.json["types"]?.array?.count == WebhookEventType.ofExports.count)
        #expect(answer.json["state"] == "disabled")
        #expect(answer.headers[.eTag] == "W/\"\(webhook.id).2.disabled\"")
        let asJSON = try await gateway.call(.patch, "/webhooks/\(webhook.id)", headers: json, body: #"{"label":"new"}"#)
        #expect(asJSON.json["label"] == "new" && asJSON.json["provider"] == "power-bi")
        let none = try await gateway.call(.patch, "/webhooks/\(webhook.id)", headers: merge, body: "{}")
        #expect(none.status == 200 && none.json == asJSON.json)
    }

    @Test(arguments: [
        (#"{"url":null}"#, "/url"), (#"{"state":"disabledByGateway"}"#, "/state"), (#"{"state":null}"#, "/state"),
        (#"{"secret":"whsec_AAAA"}"#, "/secret"), (#"{"createdBy":"me"}"#, "/createdBy"), (#"[]"#, ""),
    ]) func aPatchNamesItsFaults(body: String, pointer: String) async throws {
        let gateway = TestGateway()
        let webhook = gateway.webhooks.put()
        let answer = try await gateway.call(.patch, "/webhooks/\(webhook.id)", headers: merge, body: body)
        #expect(answer.code == "invalid-webhook")
        #expect(answer.json["errors"]?.array?.map { $0["pointer"]?.string } == [pointer])
        #expect(gateway.webhooks.state.withLock { $0.webhooks } == [webhook])
    }

    @Test func aPatchIsMadeOfTheStateThatWasRead() async throws {
        let gateway = TestGateway()
        let webhook = gateway.webhooks.put()
        let tag = try #require(try await gateway.call(.get, "/webhooks/\(webhook.id)").headers[.eTag])
        var headers = merge
        headers[.ifMatch] = tag
        let body = #"{"label":"new"}"#
        #expect(try await gateway.call(.patch, "/webhooks/\(webhook.id)", headers: headers, body: body).status == 200)
        let late = try await gateway.call(.patch, "/webhooks/\(webhook.id)", headers: headers, body: body)
        #expect(late.status == 412 && late.code == "precondition-failed")
        // What the gateway changes counts too.
        headers[.ifMatch] = try await gateway.call(.get, "/webhooks/\(webhook.id)").headers[.eTag]
        gateway.webhooks.state.withLock { $0.webhooks[0].state = .disabledByGateway }
        #expect(try await gateway.call(.patch, "/webhooks/\(webhook.id)", headers: headers, body: body).status == 412)
    }

    @Test func otherBodiesAreRefused() async throws {
        let gateway = TestGateway()
        let webhook = gateway.webhooks.put()
        for (method, path) in [
            (.post, "/webhooks"), (.patch, "/webhooks/\(webhook.id)"), (.post, "/webhooks/\(webhook.id)/replay"),
        ] as [(HTTPRequest.Method, String)] {
            let text = try await gateway.call(method, path, headers: [.contentType: "text/plain"], body: "{}")
            #expect(text.status == 415)
            var encoded = method == .patch ? merge : json
            encoded[.contentEncoding] = "gzip"
            #expect(try await gateway.call(method, path, headers: encoded, body: "{}").status == 415)
            let broken = try await gateway.call(method, path, headers: json, body: "{")
            #expect(broken.code == "malformed-request")
        }
    }

    @Test func aRotationShowsTheNewSecret() async throws {
        let gateway = TestGateway()
        let webhook = gateway.webhooks.put()
        let answer = try await gateway.call(.post, "/webhooks/\(webhook.id)/secret")
        #expect(answer.status == 200 && answer.headers[.cacheControl] == "no-store")
        #expect(answer.json["secret"]?.string?.hasPrefix("whsec_") == true)
        #expect(answer.json["olderSecretsUntil"]?.string != nil)
    }

    @Test func deletingLeavesNothing() async throws {
        let gateway = TestGateway()
        let webhook = gateway.webhooks.put()
        let answer = try await gateway.call(.delete, "/webhooks/\(webhook.id)")
        #expect(answer.status == 204 && answer.body.isEmpty)
        #expect(try await gateway.call(.delete, "/webhooks/\(webhook.id)").status == 404)
    }

    @Test func deliveriesShowWhatCameOfThem() async throws {
        let time = ManualTime()
        let gateway = TestGateway(time: time)
        let webhook = gateway.webhooks.put()
        let other = gateway.webhooks.message("message-2", of: webhook.id, number: 2)
        gateway.webhooks.state.withLock { state in
            state.messages.insert(other, at: 0)
            state.messages[0].exportID = webhook.id
            state.messages[0].type = .succeeded
            state.messages[0].state = .pending
            state.messages[0].dueAt = time.now() + .seconds(5)
        }
        let path = "/webhooks/\(webhook.id)/deliveries"
        let first = try await gateway.call(.get, path + "?limit=1")
        let now = JSONValue.string("\(time.now())")
        #expect(
            first.json["value"] == [
                [
                    "id": "message-2", "type": "export.succeeded", "exportId": .string("\(webhook.id)"), "time": now,
                    "state": "pending", "attempts": 10, "nextAttemptAt": .string("\(time.now() + .seconds(5))"),
                    "lastAttemptAt": now, "lastStatus": 503, "lastError": "status",
                ]
            ]
        )
        let cursor = try #require(first.json["nextCursor"]?.string)
        let second = try await gateway.call(.get, path + "?limit=1&cursor=\(cursor)")
        #expect(
            second.json == [
                "value": [
                    [
                        "id": "message-1", "type": "webhook.test", "time": now, "state": "failed", "attempts": 10,
                        "lastAttemptAt": now, "lastStatus": 503, "lastError": "status",
                    ]
                ]
            ]
        )
        #expect(try await gateway.call(.get, path + "?state=failed").json["value"]?.array?.count == 1)
        #expect(try await gateway.call(.get, path + "?state=lost").code == "invalid-parameter")
        #expect(try await gateway.call(.get, path + "?state=failed&cursor=\(cursor)").code == "invalid-parameter")
    }

    @Test func messagesAreSentAgain() async throws {
        let gateway = TestGateway()
        let webhook = gateway.webhooks.put()
        let path = "/webhooks/\(webhook.id)"
        let one = try await gateway.call(.post, path + "/deliveries/message-1/replay")
        #expect(one.status == 202 && one.json["state"] == "pending" && one.json["attempts"] == 0)
        #expect(try await gateway.call(.post, path + "/deliveries/other/replay").status == 404)
        let all = try await gateway.call(
            .post,
            path + "/replay",
            headers: json,
            body: #"{"since":"2026-01-02T03:04:05Z"}"#
        )
        #expect(all.status == 202 && all.json == ["replayed": 1])
        #expect(gateway.webhooks.state.withLock { $0.since?.description } == "2026-01-02T03:04:05.000Z")
        for body in [#"{}"#, #"{"since":"yesterday"}"#, #"{"since":"2026-01-02T03:04:05Z","until":"2026"}"#] {
            let refused = try await gateway.call(.post, path + "/replay", headers: json, body: body)
            #expect(refused.code == "invalid-webhook", "\(body)")
        }
        let test = try await gateway.call(.post, path + "/test")
        #expect(test.status == 202 && test.json["type"] == "webhook.test" && test.json["state"] == "pending")
    }

    @Test func aGatewayWithoutWebhooksSaysWhatIsMissing() async throws {
        let gateway = TestGateway(webhooks: NoWebhooks(key: "sealing.keys", "is not configured."))
        let answer = try await gateway.call(.post, "/webhooks", headers: json, body: #"{"url":"https://a.example"}"#)
        #expect(answer.status == 409 && answer.code == "webhooks-unavailable")
        #expect(answer.json["detail"]?.string?.contains("sealing.keys") == true)
        #expect(try await gateway.call(.get, "/webhooks").code == "webhooks-unavailable")
    }

    @Test func readingExportsIsNeededToo() async throws {
        let permissions: [(String, [Permission])] = [
            ("both", [.manageWebhooks, .read]), ("auditor", [.manageWebhooks, .readAll]),
            ("manager", [.manageWebhooks]),
            ("reader", [.read]),
        ]
        let gateway = TestGateway { settings in
            settings.apiKeys = permissions.map { name, granted in
                APIKey(id: name, sha256: SHA256.hash(Array(name.utf8)), permissions: Permissions(granted))
            }
        }
        gateway.webhooks.put(of: "both")
        func list(_ name: String) async throws -> Answer {
            try await gateway.call(.get, "/webhooks", headers: [.authorization: "Bearer \(name)"])
        }
        #expect(try await list("both").json["value"]?.array?.count == 1)
        #expect(try await list("auditor").json["value"]?.array?.count == 1)
        #expect(try await list("manager").json["permission"] == "Exports.Read")
        #expect(try await list("reader").json["permission"] == "Webhooks.Manage")
    }
}
