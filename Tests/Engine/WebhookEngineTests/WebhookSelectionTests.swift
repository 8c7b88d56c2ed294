import Exports
import JSON
import Testing
import Webhooks

@testable import WebhookEngine

@Suite struct WebhookSelectionTests {
    private func webhook(_ change: (inout Webhook) -> Void = { _ in }) -> Webhook {
        var webhook = Webhook(
            id: .sample,
            createdBy: "alice",
            seesAll: false,
            url: "https://receiver.example.com/",
            label: nil,
            types: WebhookEventType.ofExports,
            provider: nil,
            connection: nil,
            createdAt: Timestamp(milliseconds: 0),
            sealedSecrets: [],
            position: 0
        )
        change(&webhook)
        return webhook
    }

    private func change(
        _ status: ExportStatus,
        revision: Int64 = 2,
        isFinal: Bool? = nil,
        ends: Bool? = nil
    ) -> ExportChange {
        ExportChange(
            position: 7,
            exportID: .sample,
            createdBy: "alice",
            revision: revision,
            status: status,
            percentComplete: nil,
            isFinal: isFinal ?? status.isTerminal,
            ends: ends,
            code: nil,
            time: Timestamp(milliseconds: 0)
        )
    }

    @Test func eachChangeHasItsType() {
        let selection = WebhookSelection(webhook: webhook(), seesAll: false)
        #expect(selection.types(of: change(.notStarted, revision: 1)) == [.created])
        #expect(selection.types(of: change(.running)) == [.updated])
        #expect(selection.types(of: change(.unknown)) == [.updated])
        #expect(selection.types(of: change(.unknown, isFinal: true)) == [.failed, .updated])
        let ends: [(ExportStatus, WebhookEventType)] = [
            (.succeeded, .succeeded), (.partiallySucceeded, .partiallySucceeded), (.failed, .failed),
            (.canceled, .canceled), (.expired, .expired),
        ]
        for (status, type) in ends {
            #expect(selection.types(of: change(status, ends: true)) == [type, .updated])
            #expect(selection.types(of: change(status, ends: false)) == [.updated])
            // What a version before has stored does not say it.
            #expect(selection.types(of: change(status)) == [type, .updated])
        }
    }

    @Test func onlyChosenTypesAreTold() {
        let selection = WebhookSelection(webhook: webhook { $0.types = [.succeeded] }, seesAll: false)
        #expect(selection.mayTake(change(.succeeded)))
        #expect(!selection.mayTake(change(.running)))
        #expect(!selection.mayTake(change(.succeeded, ends: false)))
        #expect(!selection.mayTake(change(.notStarted, revision: 1)))
        // Whoever takes updates only, hears of the end as an update.
        let updates = WebhookSelection(webhook: webhook { $0.types = [.updated] }, seesAll: false)
        #expect(updates.types(of: change(.succeeded)) == [.updated])
    }

    @Test func othersExportsAreToldToThoseWhoSeeThem() {
        var other = change(.running)
        other.createdBy = "bob"
        #expect(!WebhookSelection(webhook: webhook(), seesAll: false).mayTake(other))
        #expect(WebhookSelection(webhook: webhook(), seesAll: true).mayTake(other))
    }

    @Test func filtersTakeProvidersAndConnections() {
        let export = Export(
            id: .sample,
            provider: ProviderID("power-bi"),
            connection: "contoso",
            name: "Sales",
            createdAt: Timestamp(milliseconds: 0),
            createdBy: "alice",
            source: [:]
        )
        func takes(_ change: (inout Webhook) -> Void, _ export: Export?) -> Bool {
            WebhookSelection(webhook: webhook(change), seesAll: false).takes(export)
        }
        #expect(takes({ _ in }, export))
        #expect(takes({ $0.provider = ProviderID("power-bi") }, export))
        #expect(!takes({ $0.provider = ProviderID("viva-goals") }, export))
        #expect(takes({ $0.connection = "contoso" }, export))
        #expect(!takes({ $0.connection = "fabrikam" }, export))
        // Of an export that cannot be read, only a webhook without filters is told.
        #expect(takes({ _ in }, nil))
        #expect(!takes({ $0.connection = "contoso" }, nil))
    }
}
