import Exports
import JSON
import Testing

@testable import Webhooks

@Suite struct CloudEventTests {
    private let id = ExportID("01981f3e-7c1a-7b52-9d3e-0242ac120002")!
    private let webhookID = ExportID("01981f3e-7c1a-7b52-9d3e-0242ac120009")!
    private let time = Timestamp(rfc3339: "2026-07-02T09:15:04.123Z")!
    private let base = "https://exports.contoso.com/gateway"

    private var export: Export {
        Export(
            id: id,
            provider: ProviderID("power-bi"),
            connection: "contoso",
            name: "Sales \"of\"\nJune",
            createdAt: time,
            createdBy: "reporting",
            source: [:]
        )
    }

    private var webhook: Webhook {
        Webhook(
            id: webhookID,
            createdBy: "reporting",
            seesAll: false,
            url: "https://hooks.example.com/in?token=of-the-receiver",
            label: "Reports",
            types: [.created],
            provider: nil,
            connection: nil,
            createdAt: time,
            sealedSecrets: [],
            position: 0
        )
    }

    @Test func aChangeIsTheDocumentedText() {
        let change = ExportChange(
            position: 9,
            exportID: id,
            createdBy: "reporting",
            revision: 4,
            status: .failed,
            percentComplete: 104,
            isFinal: true,
            code: .upstreamThrottled,
            time: time + .seconds(1)
        )
        let text = String(decoding: CloudEvent(.failed, change, of: export, base: base).encoded(), as: UTF8.self)
        let expected =
            #"{"specversion":"1.0","id":"01981f3e-7c1a-7b52-9d3e-0242ac120002-4","#
            + #""source":"https://exports.contoso.com/gateway/exports","type":"export.failed","#
            + #""subject":"01981f3e-7c1a-7b52-9d3e-0242ac120002","time":"2026-07-02T09:15:05.123Z","#
            + #""datacontenttype":"application/json","data":{"id":"01981f3e-7c1a-7b52-9d3e-0242ac120002","#
            + #""href":"https://exports.contoso.com/gateway/exports/01981f3e-7c1a-7b52-9d3e-0242ac120002","#
            + #""provider":"power-bi","connection":"contoso","name":"Sales \"of\"\nJune","status":"failed","#
            + #""percentComplete":100,"createdAt":"2026-07-02T09:15:04.123Z","updatedAt":"2026-07-02T09:15:05.123Z","#
            + #""createdBy":"reporting","ended":true,"code":"upstream-throttled","revision":4}}"#
        #expect(text == expected)
    }

    @Test func whatIsNotKnownIsLeftOut() throws {
        let event = CloudEvent(.created, ExportChange(position: 1, export), of: nil, base: nil)
        let parsed = try JSONValue(parsing: event.encoded())
        #expect(parsed["source"] == "/exports")
        #expect(
            parsed["data"]?.object?.keys.sorted() == ["createdBy", "id", "revision", "status", "updatedAt"]
        )
    }

    @Test func anExpiringExportSaysWhen() throws {
        var export = export
        export.status = .succeeded
        export.completedAt = time
        export.expiresAt = time + .seconds(3600)
        let event = CloudEvent(expiring: export, at: time + .seconds(3600), now: time + .seconds(60), base: base)
        let parsed = try JSONValue(parsing: event.encoded())
        #expect(parsed["type"] == "export.expiring")
        #expect(parsed["time"] == "2026-07-02T09:16:04.123Z")
        #expect(parsed["data"]?["expiresAt"] == "2026-07-02T10:15:04.123Z")
        #expect(parsed["data"]?["ended"] == true)
        #expect(parsed["data"]?["status"] == "succeeded")
        let later = CloudEvent(expiring: export, at: time + .seconds(7200), now: time, base: base)
        #expect(later.id != event.id)
    }

    @Test func eventsOfAWebhookNameItAndNotItsURL() throws {
        var disabled = webhook
        disabled.disabledReason = "gone"
        disabled.failingSince = time
        let events = [
            CloudEvent(testOf: webhook, id: id, now: time, base: base),
            CloudEvent(disabled: disabled, id: id, now: time, base: base),
        ]
        for event in events {
            let parsed = try JSONValue(parsing: event.encoded())
            #expect(parsed["source"] == .string(base + "/webhooks"))
            #expect(parsed["subject"] == .string(webhookID.description))
            #expect(parsed["data"]?["id"] == .string(webhookID.description))
            #expect(parsed["data"]?["label"] == "Reports")
            #expect(!String(decoding: event.encoded(), as: UTF8.self).contains("of-the-receiver"))
        }
        let data = try JSONValue(parsing: events[1].encoded())["data"]
        #expect(data?["reason"] == "gone" && data?["failingSince"] == .string(time.description))
        #expect(events.map(\.type) == [.test, .disabled])
    }

    @Test func idsFitTheHeaderFieldAndTheSignature() {
        var change = ExportChange(position: 1, export)
        change.revision = .max
        let ids = [
            CloudEvent(.updated, change, of: nil, base: nil).id,
            CloudEvent(expiring: export, at: Timestamp(milliseconds: .max), now: time, base: nil).id,
            CloudEvent(testOf: webhook, id: id, now: time, base: nil).id,
            CloudEvent(disabled: webhook, id: id, now: time, base: nil).id,
        ]
        for id in ids {
            #expect((1...64).contains(id.utf8.count))
            #expect(id.utf8.allSatisfy { (0x30...0x39).contains($0) || (0x61...0x7A).contains($0) || $0 == 0x2D })
        }
    }
}
