import NIOCore
import Testing

@testable import GatewayAPI

@Suite struct ConnectionRegisterTests {
    private typealias Register = ConnectionRegister<Int>

    private static func at(_ milliseconds: Int64) -> NIODeadline { .uptimeNanoseconds(1) + .milliseconds(milliseconds) }

    @Test func noneIsClosedBelowTheLimit() {
        var register = Register(limit: 2)
        register.opened(1, at: Self.at(0))
        register.opened(2, at: Self.at(0))
        #expect(register.next(at: Self.at(10_000)) == .nothing)
    }

    @Test func theUnauthenticatedOneThatIsIdleForLongestIsClosedFirst() {
        var register = Register(limit: 2)
        for id in 1...4 { register.opened(id, at: Self.at(Int64(id))) }
        #expect(register.next(at: Self.at(5000)) == .close(1))
        #expect(register.next(at: Self.at(5000)) == .close(2))
        // They have been told; as soon as they are gone there are not too many.
        #expect(register.next(at: Self.at(5000)) == .nothing)
        register.closed(1)
        register.closed(2)
        #expect(register.next(at: Self.at(5000)) == .nothing)
    }

    @Test func whoHasARequestUnderWayStays() {
        var register = Register(limit: 1)
        register.opened(1, at: Self.at(0))
        register.began(1)
        register.opened(2, at: Self.at(1))
        register.began(2)
        #expect(register.next(at: Self.at(5000)) == .nothing)
        register.ended(1, at: Self.at(5000))
        #expect(register.next(at: Self.at(5000)) == .wait)
        #expect(register.next(at: Self.at(5200)) == .close(1))
    }

    @Test func whoIsSparedMayHaveToGoLater() {
        var register = Register(limit: 1)
        register.opened(1, at: Self.at(0))
        register.opened(2, at: Self.at(1))
        #expect(register.next(at: Self.at(5000)) == .close(1))
        register.began(1)
        register.spared(1)
        // Another one goes in its place.
        #expect(register.next(at: Self.at(5000)) == .close(2))
        register.closed(2)
        register.opened(3, at: Self.at(5000))
        register.ended(1, at: Self.at(6000))
        #expect(register.next(at: Self.at(6500)) == .close(3))
        register.closed(3)
        #expect(register.next(at: Self.at(6500)) == .nothing)
        register.spared(1)
        #expect(register.next(at: Self.at(6500)) == .nothing)
    }

    @Test func pipelinedRequestsAllHaveToEnd() {
        var register = Register(limit: 0)
        register.opened(1, at: Self.at(0))
        register.began(1)
        register.began(1)
        register.ended(1, at: Self.at(10))
        #expect(register.next(at: Self.at(5000)) == .nothing)
        register.ended(1, at: Self.at(20))
        #expect(register.next(at: Self.at(5000)) == .close(1))
    }

    @Test func authenticatedOnesAreClosedLast() {
        var register = Register(limit: 1)
        for id in 1...2 {
            register.opened(id, at: Self.at(0))
            register.began(id)
            register.authenticated(id, at: Self.at(1))
            register.ended(id, at: Self.at(2))
        }
        register.opened(3, at: Self.at(100))
        // The unauthenticated one came last, and gets its time.
        #expect(register.next(at: Self.at(200)) == .wait)
        #expect(register.next(at: Self.at(300)) == .close(3))
        #expect(register.next(at: Self.at(300)) == .close(1))
        #expect(register.next(at: Self.at(300)) == .nothing)
    }

    @Test func aRequestOfAKnownCallerAuthenticatesItsConnection() {
        var register = Register(limit: 1)
        register.opened(1, at: Self.at(0))
        register.opened(2, at: Self.at(1))
        register.authenticated(1, at: Self.at(2))
        #expect(register.next(at: Self.at(5000)) == .close(2))
    }

    @Test func theQueuesAreBounded() {
        var register = Register(limit: 1)
        register.opened(1, at: Self.at(0))
        register.opened(2, at: Self.at(0))
        for turn in 1...10_000 {
            register.began(2)
            register.ended(2, at: Self.at(Int64(turn)))
        }
        #expect(register.queued < 200)
        #expect(register.next(at: Self.at(20_000)) == .close(1))
    }
}
