import Exports
import SystemCrypto
import Testing

@testable import Webhooks

@Suite struct WebhookSignatureTests {
    private let body = Array(#"{"test": 2432232314}"#.utf8)
    private let time = Timestamp(milliseconds: 1_614_265_330_999)

    /// https://github.com/standard-webhooks/standard-webhooks/blob/main/libraries/go/webhook_test.go, `TestWebhookSign`
    @Test func theVectorOfTheStandardsLibraries() throws {
        let fields = WebhookSignature.fields(
            id: "msg_p5jXN8AQM9LWM0D4loKWxJek",
            at: time,
            body: body,
            secrets: [try WebhookSecret(WebhookSecretTests.known)]
        )
        #expect(fields.map(\.name) == ["webhook-id", "webhook-timestamp", "webhook-signature"])
        #expect(
            fields.map(\.value) == [
                "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
            ]
        )
    }

    @Test func eachSecretGivesASignatureInItsPlace() throws {
        let known = try WebhookSecret(WebhookSecretTests.known)
        let (first, second) = (WebhookSecretTests.secret(1), WebhookSecretTests.secret(2))
        func signature(_ secrets: [WebhookSecret]) throws -> String {
            try #require(WebhookSignature.fields(id: "m", at: time, body: body, secrets: secrets).last).value
        }
        let all = try signature([first, known, second])
        #expect(try all == [[first], [known], [second]].map(signature).joined(separator: " "))
        #expect(Set(all.split(separator: " ").map(String.init)).count == 3)
    }

    @Test func idTimeAndBodyAreAllSigned() throws {
        let secrets = [try WebhookSecret(WebhookSecretTests.known)]
        let signatures = [
            ("m", time, body), ("n", time, body), ("m", time + .seconds(1), body), ("m", time, body + [0x20]),
        ]
        .map { WebhookSignature.fields(id: $0, at: $1, body: $2, secrets: secrets)[2].value }
        #expect(Set(signatures).count == 4)
    }

    @Test func theTimeIsInWholeSecondsThatHavePassed() throws {
        let secrets = [try WebhookSecret(WebhookSecretTests.known)]
        let texts = [0, 999, 1000, -1, -1000, -1001]
            .map { Timestamp(milliseconds: $0) }
            .map { WebhookSignature.fields(id: "m", at: $0, body: [], secrets: secrets)[1].value }
        #expect(texts == ["0", "0", "1", "-1", "-1", "-2"])
    }

    @Test func aRequestHasTheMediaTypeAndOneSignatureForEachSecretInUse() throws {
        let id = try #require(ExportID("01981f3e-7c1a-7b52-9d3e-0242ac120002"))
        var webhook = Webhook(
            id: id,
            createdBy: "reporting",
            seesAll: false,
            url: "https://hooks.example.com/in",
            label: nil,
            types: [.created],
            provider: nil,
            connection: nil,
            createdAt: time,
            sealedSecrets: [],
            position: 0
        )
        let event = CloudEvent(testOf: webhook, id: id, now: time, base: nil)
        let message = WebhookMessage(
            webhookID: id,
            id: event.id,
            exportID: nil,
            type: event.type,
            time: event.time,
            body: event.encoded(),
            dueAt: time
        )
        let secrets = WebhookSecrets(WebhookSecretTests.secret(1)).rotated(to: WebhookSecretTests.secret(2))
        func fields() -> [String: String] {
            let request = WebhookRequest(
                message,
                to: webhook,
                secrets: secrets,
                at: time,
                userAgent: "export-gateway/1"
            )
            #expect(request.url == webhook.url && request.body == message.body)
            return Dictionary(request.fields.map { ($0.name, $0.value) }) { _, second in second }
        }
        #expect(fields()["content-type"] == "application/cloudevents+json")
        #expect(fields()["user-agent"] == "export-gateway/1")
        #expect(fields()["webhook-id"] == event.id)
        #expect(fields()["webhook-signature"]?.split(separator: " ").count == 1)
        webhook.olderSecretsUntil = time + .seconds(1)
        #expect(fields()["webhook-signature"]?.split(separator: " ").count == 2)
    }
}
