import NIOCore
import Testing

@testable import GatewayAPI

/// When a connection of HTTP/2 ends.
@Suite struct ConnectionLifeTests {
    private let start = NIODeadline.uptimeNanoseconds(1_000_000_000)

    private func life(acknowledged: Bool = true) -> ConnectionLife {
        var life = ConnectionLife(idleTimeout: .seconds(75), at: start)
        if acknowledged { life.acknowledged() }
        return life
    }

    @Test func settingsMustBeAcknowledged() {
        let life = life(acknowledged: false)
        #expect(life.verdict(at: start) == .wait(until: start + .seconds(10)))
        #expect(life.verdict(at: start + .seconds(10)) == .settingsTimeout)
        var busy = life
        busy.began()
        #expect(busy.verdict(at: start + .seconds(10)) == .settingsTimeout)
    }

    @Test func aShortIdleTimeoutHoldsForTheSettingsToo() {
        let life = ConnectionLife(idleTimeout: .seconds(3), at: start)
        #expect(life.verdict(at: start + .seconds(3)) == .settingsTimeout)
    }

    @Test func withoutStreamsItEnds() {
        var life = life()
        #expect(life.verdict(at: start + .seconds(74)) == .wait(until: start + .seconds(75)))
        #expect(life.verdict(at: start + .seconds(75)) == .goAway)
        life.began()
        #expect(life.verdict(at: start + .seconds(1000)) == .wait(until: start + .seconds(1075)))
        life.began()
        life.ended(at: start + .seconds(1000))
        #expect(life.verdict(at: start + .seconds(2000)) == .wait(until: start + .seconds(2075)))
        life.ended(at: start + .seconds(2000))
        #expect(life.verdict(at: start + .seconds(2074)) == .wait(until: start + .seconds(2075)))
        #expect(life.verdict(at: start + .seconds(2075)) == .goAway)
    }

    @Test func aClientThatDoesNotAnswerGoAwayIsDisconnected() {
        var life = life()
        life.goesAway(at: start + .seconds(75))
        #expect(life.isLeaving)
        #expect(life.verdict(at: start + .seconds(75)) == .wait(until: start + .seconds(80)))
        #expect(life.verdict(at: start + .seconds(80)) == .close)
    }

    @Test func streamsThatAreOpenAreFinished() {
        var life = life()
        life.began()
        life.goesAway(at: start + .seconds(1))
        life.goesAway(at: start + .seconds(50))
        #expect(life.verdict(at: start + .seconds(1000)) == .wait(until: start + .seconds(1075)))
        life.ended(at: start + .seconds(1000))
        #expect(life.verdict(at: start + .seconds(1001)) == .wait(until: start + .seconds(1005)))
        #expect(life.verdict(at: start + .seconds(1005)) == .close)
    }

    @Test func aHeadMustEnd() {
        var life = life()
        life.began()
        life.holdsHead(true, at: start + .seconds(10))
        // More of it does not make the time longer.
        life.holdsHead(true, at: start + .seconds(60))
        #expect(life.verdict(at: start + .seconds(84)) == .wait(until: start + .seconds(85)))
        #expect(life.verdict(at: start + .seconds(85)) == .abort)
        life.holdsHead(false, at: start + .seconds(85))
        #expect(life.verdict(at: start + .seconds(85)) == .wait(until: start + .seconds(160)))
    }
}
