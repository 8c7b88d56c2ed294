import Exports
import Testing
import Webhooks

@testable import WebhookEngine

@Suite struct WebhookOutcomeTests {
    private let now = Timestamp(milliseconds: 1_780_000_000_000)
    private let webhook = Webhook(
        id: .sample,
        createdBy: "alice",
        seesAll: false,
        url: "https://receiver.example.com/",
        label: nil,
        types: WebhookEventType.ofExports,
        provider: nil,
        connection: nil,
        createdAt: Timestamp(milliseconds: 1_779_000_000_000),
        sealedSecrets: [],
        position: 0
    )

    private func outcome(
        _ result: Result<WebhookAnswer, WebhookAttemptError>,
        attempts: Int = 1,
        type: WebhookEventType = .updated
    ) -> WebhookOutcome {
        var message = WebhookMessage(
            webhookID: webhook.id,
            id: "one",
            exportID: .sample,
            type: type,
            time: now,
            body: [],
            dueAt: now
        )
        message.attempts = attempts
        return WebhookOutcome(
            of: message,
            result,
            revision: webhook.revision,
            at: now,
            jitter: 0.5,
            disableAfter: .seconds(5 * 86_400)
        )
    }

    private func answer(_ status: Int, retryAfter: Duration? = nil) -> Result<WebhookAnswer, WebhookAttemptError> {
        .success(WebhookAnswer(status: status, retryAfter: retryAfter))
    }

    /// Changes a webhook. The message stays as the attempt has left it.
    private func change(_ webhook: inout Webhook, by outcome: WebhookOutcome) -> WebhookDisabledReason? {
        var message = outcome.message
        return outcome.change(&message, &webhook)
    }

    @Test(arguments: [200, 202, 204, 299]) func successesAreDelivered(status: Int) {
        let outcome = outcome(answer(status))
        #expect(outcome.message.state == .delivered && outcome.message.dueAt == nil)
        #expect(outcome.message.lastStatus == status && outcome.message.lastError == nil)
        var webhook = webhook
        webhook.failingSince = now
        #expect(change(&webhook, by: outcome) == nil)
        #expect(webhook.failingSince == nil)
    }

    @Test(arguments: [(301, "redirect"), (307, "redirect"), (400, "status"), (404, "status"), (500, "status")])
    func otherAnswersAreRetried(status: Int, error: String) {
        let outcome = outcome(answer(status))
        #expect(outcome.message.state == .pending && outcome.message.dueAt == now + .seconds(5))
        #expect(outcome.message.lastStatus == status && outcome.message.lastError == error)
        var webhook = webhook
        #expect(change(&webhook, by: outcome) == nil)
        #expect(webhook.failingSince == now && webhook.state == .enabled)
    }

    @Test(arguments: [429, 503, 500]) func retryAfterIsObeyed(status: Int) {
        #expect(outcome(answer(status, retryAfter: .seconds(90))).message.dueAt == now + .seconds(90))
    }

    @Test(arguments: WebhookSendFailure.allCases) func failuresAreRetried(failure: WebhookSendFailure) {
        let outcome = outcome(.failure(.noAnswer(failure)), attempts: 3)
        #expect(outcome.message.state == .pending && outcome.message.dueAt == now + .seconds(1800))
        #expect(outcome.message.lastStatus == nil && outcome.message.lastError == failure.rawValue)
    }

    @Test func theTenthAttemptIsTheLast() {
        #expect(outcome(answer(500), attempts: 9).message.state == .pending)
        let last = outcome(answer(500), attempts: 10)
        #expect(last.message.state == .failed && last.message.dueAt == nil)
    }

    @Test func aTestIsTriedOnce() {
        let outcome = outcome(answer(503), type: .test)
        #expect(outcome.message.state == .failed && outcome.message.dueAt == nil)
        #expect(outcome.message.lastStatus == 503 && outcome.message.lastError == "status")
    }

    @Test(arguments: [204, 410, 500]) func anAttemptSaysNothingOfAWebhookThatWasChanged(status: Int) {
        var webhook = webhook
        webhook.revision += 1
        webhook.failingSince = now + .seconds(-5 * 86_400)
        let before = webhook
        #expect(change(&webhook, by: outcome(answer(status))) == nil)
        #expect(webhook == before)
    }

    @Test func whatFailedAtAFormerURLIsSentToTheNewOne() {
        var webhook = webhook
        webhook.revision += 1
        for outcome in [outcome(answer(410)), outcome(answer(500), attempts: 10)] {
            var message = outcome.message
            #expect(message.state == .failed)
            #expect(outcome.change(&message, &webhook) == nil)
            #expect(message.state == .pending && message.dueAt == now)
        }
        // A test is tried once, and what the owner may not see is sent nowhere.
        for outcome in [outcome(answer(410), type: .test), outcome(.failure(.notPermitted))] {
            var message = outcome.message
            #expect(outcome.change(&message, &webhook) == nil)
            #expect(message == outcome.message)
        }
    }

    @Test func whatIsNotPermittedIsGivenUp() {
        let outcome = outcome(.failure(.notPermitted))
        #expect(outcome.message.state == .failed && outcome.message.lastError == "not-permitted")
        var webhook = webhook
        #expect(change(&webhook, by: outcome) == nil)
        #expect(webhook.failingSince == nil)
    }

    @Test func goneDisablesTheWebhook() {
        let outcome = outcome(answer(410))
        #expect(outcome.message.state == .failed)
        var webhook = webhook
        #expect(change(&webhook, by: outcome) == .gone)
        #expect(webhook.state == .disabledByGateway && webhook.disabledReason == "gone" && webhook.updatedAt == now)
        // Again, because the transaction may be repeated; nothing new then.
        #expect(change(&webhook, by: outcome) == nil)
    }

    @Test func aLongFailureDisablesTheWebhook() {
        var webhook = webhook
        webhook.failingSince = now + .seconds(1 - 5 * 86_400)
        #expect(change(&webhook, by: outcome(answer(500))) == nil)
        webhook.failingSince = now + .seconds(-5 * 86_400)
        #expect(change(&webhook, by: outcome(answer(500))) == .failing)
        #expect(webhook.state == .disabledByGateway && webhook.disabledReason == "failing")
        #expect(webhook.failingSince == now + .seconds(-5 * 86_400))
    }

    @Test func everyErrorHasOneCode() {
        let codes = WebhookAttemptError.allCases.map(\.rawValue)
        #expect(Set(codes).count == codes.count)
        for error in WebhookAttemptError.allCases { #expect(WebhookAttemptError(rawValue: error.rawValue) == error) }
        #expect(WebhookAttemptError(rawValue: "other") == nil)
    }
}

extension ExportID {
    static let sample = ExportID("01981f3e-7c1a-7b52-9d3e-0242ac120002")!
}
