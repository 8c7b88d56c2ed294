import Exports
import JSON
import Pacing
import Testing
import TestSupport

@testable import GatewayServer

@Suite struct BudgetWireTests {
    private static let export: ExportID = {
        var random = SeededRandom(seed: 1)
        return ExportID(at: Timestamp(milliseconds: 1), random: &random)
    }()

    private static let messages: [BudgetMessage] = [
        .ask(
            BudgetAsk(
                number: (1 << 62) + 1,
                sentAt: -5,
                call: PacedCall(
                    .start,
                    host: "api https://example.com",
                    caller: "reports \"\u{1}ä",
                    weight: 3,
                    work: .export(export),
                    patience: .seconds(5),
                    continues: 7 << 32
                )
            )
        ),
        .ask(
            BudgetAsk(
                number: 1,
                sentAt: 0,
                call: PacedCall(.poll, host: "h", work: .polls(of: "bi", ProviderID("power-bi")), patience: .zero)
            )
        ),
        .leave(ask: 1), .sending(place: 2), .answered(place: 3), .throttled(place: 4), .givenBack(place: 5),
        .removed(.export(export)), .waiting(ask: 6),
        .granted(BudgetGrant(ask: 7, place: 8, sentAt: 9, waited: .milliseconds(10), validFor: .seconds(5))),
        .queued(ask: 11, QueuePlace(position: 12, estimatedWait: .seconds(13)), comeBackIn: .seconds(14)),
        .held(ask: 15, .seconds(16)), .hold("h", .seconds(17)), .limited(18),
        .status(
            BudgetUsage(limit: 5, used: 4, queueLength: [.caller: 1, .start: 2, .poll: 3], nextPlaceIn: .seconds(9))
        ),
        .handedOver(epoch: 19, freeIn: [.seconds(20), .zero], limit: 21),
    ]

    @Test func everyMessageIsReadAsItWasWritten() {
        let outbox = BudgetOutbox()
        outbox.add(Self.messages.map { AddressedBudgetMessage(to: "r", $0) }, of: "power-bi connection bi")
        var read: [BudgetMessage] = []
        while let body = outbox.next() {
            #expect(body.to == "r" && body.text.utf8.count <= BudgetOutbox.bodyLimit)
            for (lease, message) in BudgetWire.read(body.text) {
                #expect(lease == "power-bi connection bi")
                read.append(message)
            }
            outbox.remove(body)
        }
        #expect(read == Self.messages)
    }

    @Test func messagesAreSentTogetherByReceiverAndNeverAboveTheLimit() {
        let outbox = BudgetOutbox()
        for number in 0..<600 as Range<UInt64> {
            let message = AddressedBudgetMessage(to: number % 2 == 0 ? "a" : nil, .answered(place: number))
            outbox.add([message], of: "power-bi connection bi")
        }
        var (bodies, places): (Int, [String?: [UInt64]]) = (0, [:])
        while let body = outbox.next() {
            bodies += 1
            #expect(body.text.utf8.count <= BudgetOutbox.bodyLimit)
            for case (_, .answered(let place)) in BudgetWire.read(body.text) {
                places[body.to, default: []].append(place)
            }
            outbox.remove(body)
        }
        #expect(bodies < 12)
        #expect(places["a"] == Array(stride(from: 0, to: 600, by: 2)))
        #expect(places[nil] == Array(stride(from: 1, to: 600, by: 2)))
    }

    @Test func aFullOutboxLosesTheLastMessages() {
        let outbox = BudgetOutbox()
        let many = (0..<5000 as Range<UInt64>).map { AddressedBudgetMessage(to: nil, .answered(place: $0)) }
        outbox.add(many, of: "l")
        outbox.add(many, of: "l")
        var count = 0
        while let body = outbox.next() {
            count += BudgetWire.read(body.text).count
            outbox.remove(body)
        }
        #expect(count == BudgetOutbox.limit)
    }

    /// The largest message fits: nothing in it is longer than this.
    @Test func aLongNameOfACallerIsShortened() throws {
        let call = PacedCall(
            .caller,
            host: String(repeating: "h", count: 300),
            caller: String(repeating: "\u{1}", count: 10_000),
            patience: .zero
        )
        let text = BudgetWire.text(of: .ask(BudgetAsk(number: 1, sentAt: 0, call: call)), lease: "l")
        #expect(text.count < 1000)
        let longest = PacedCall(.caller, host: "h", caller: String(repeating: "\u{1}", count: 400), patience: .zero)
        #expect(BudgetWire.text(of: .ask(BudgetAsk(number: 1, sentAt: 0, call: longest)), lease: "l").count < 4000)
        let handedOver = BudgetMessage.handedOver(
            epoch: .max,
            freeIn: Array(repeating: .milliseconds(999_999), count: 400),
            limit: 1000
        )
        #expect(BudgetWire.text(of: handedOver, lease: "l").count < 4000)
    }

    @Test(arguments: [
        "", "null", "{}", "[1]", #"[{"kind":"answered"}]"#, #"[{"lease":"l","kind":"answered","place":-1}]"#,
        #"[{"lease":"l","kind":"later","place":1}]"#, #"[{"lease":"l","kind":"answered","place":1.5}]"#,
        #"[{"lease":"l","kind":"held","ask":1,"rest":9223372036854775807}]"#,
        #"[{"lease":"l","kind":"granted","ask":1,"place":1,"sentAt":9223372036854775807,"waited":1,"validFor":1}]"#,
        #"[{"lease":"l","kind":"handedOver","epoch":1,"freeIn":[1,"2"],"limit":1}]"#,
    ])
    func whatNoReplicaSendsIsLeftOut(_ body: String) {
        #expect(BudgetWire.read(body).isEmpty)
    }
}
