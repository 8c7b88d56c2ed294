import NIOCore
import Testing

@testable import GatewayAPI

/// The gateway's settings count from the first request on.
@Suite struct EarlyAcknowledgementTests {
    private static let settings: [UInt8] = [0, 0, 6, 4, 0, 0, 0, 0, 0] + [0, 3, 0, 0, 0, 100]
    private static let acknowledgement: [UInt8] = [0, 0, 0, 4, 1, 0, 0, 0, 0]
    private static let head: [UInt8] = [0, 0, 3, 1, 5, 0, 0, 0, 1] + [1, 2, 3]
    private static let ping: [UInt8] = [0, 0, 8, 6, 0, 0, 0, 0, 0] + [1, 2, 3, 4, 5, 6, 7, 8]

    private static let sent = bytes(Opening.preface, settings, head, acknowledgement, ping, acknowledgement)
    private static let passed = bytes(Opening.preface, settings, acknowledgement, head, ping, acknowledgement)

    private static func bytes(_ parts: [UInt8]...) -> [UInt8] { Array(parts.joined()) }

    @Test(arguments: [1, 2, 5, 8, 9, 10, 24, 33, 1000])
    func oneIsPassedOnBehindTheClientsSettings(length: Int) {
        var (early, passed) = (EarlyAcknowledgement(), [UInt8]())
        for start in stride(from: 0, to: Self.sent.count, by: length) {
            let piece = Self.sent[start..<min(start + length, Self.sent.count)]
            passed += early.passedOn(ByteBuffer(bytes: piece)).readableBytesView
        }
        #expect(passed == Self.passed)
        #expect(early.isOver)
    }

    @Test func aClientThatDoesNotAcknowledgeIsKnown() {
        var early = EarlyAcknowledgement()
        let passed = early.passedOn(ByteBuffer(bytes: Self.bytes(Opening.preface, Self.settings, Self.head)))
        let wanted = Self.bytes(Opening.preface, Self.settings, Self.acknowledgement, Self.head)
        #expect(Array(passed.readableBytesView) == wanted)
        #expect(!early.isOver)
    }

    @Test func laterSettingsOfTheClientAreItsOwn() {
        var early = EarlyAcknowledgement()
        let sent = Self.bytes(Opening.preface, Self.settings, Self.settings, Self.acknowledgement)
        let passed = early.passedOn(ByteBuffer(bytes: sent))
        let wanted = Self.bytes(Opening.preface, Self.settings, Self.acknowledgement, Self.settings)
        #expect(Array(passed.readableBytesView) == wanted)
        #expect(early.isOver)
    }

    @Test func whatDoesNotBeginWithSettingsIsAnErrorAsItWas() {
        var early = EarlyAcknowledgement()
        let sent = Self.bytes(Opening.preface, Self.acknowledgement, Self.head)
        let passed = early.passedOn(ByteBuffer(bytes: sent))
        #expect(Array(passed.readableBytesView) == sent)
    }
}
