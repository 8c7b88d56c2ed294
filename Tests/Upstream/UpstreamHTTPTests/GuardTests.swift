import Exports
import NIOCore
import ScriptedHost
import Testing
@testable import UpstreamHTTP

private let start = Timestamp(milliseconds: 1_780_000_000_000)

@Suite struct RetryAfterTests {
    private static let now = Timestamp(milliseconds: 784_111_777_000)  // Sun, 06 Nov 1994 08:49:37 GMT

    @Test(
        arguments: [
            ("0", 0), ("1", 1000), ("120", 120_000), ("2.128", 2128), (" 3\t", 3000), ("0.0001", 1), ("1.", 1000),
            ("86400", 86_400_000), ("86401", 86_400_000), ("99999999999999999999999", 86_400_000), ("007", 7000),
            ("Sun, 06 Nov 1994 08:49:37 GMT", 0), ("Sun, 06 Nov 1994 08:50:00 GMT", 23_000),
            ("Sun, 06 Nov 1994 08:00:00 GMT", 0), ("Sun, 06 Nov 2094 08:49:37 GMT", 86_400_000),
            // Lists, and the older forms of dates.
            ("4,8", 8000), ("8, 4", 8000), ("120, soon", 120_000), ("1,5", 5000), ("\"7\"", 7000),
            ("Sun, 06 Nov 1994 08:50:00 GMT, 10", 23_000), ("10, Sun, 06 Nov 1994 08:50:00 GMT", 23_000),
            ("Sunday, 06-Nov-94 08:50:00 GMT", 23_000), ("Sun Nov  6 08:50:00 1994", 23_000),
            ("Sun, 6 Nov 1994 08:50:00 GMT", 23_000), ("Sun, 06 nov 1994 08:50:00 GMT", 23_000),
        ] as [(String, Int64)]
    )
    func reads(_ text: String, _ milliseconds: Int64) {
        #expect(RetryAfter.parse(text, at: Self.now) == .milliseconds(milliseconds))
    }

    @Test(arguments: [
        "", " ", "-1", "+1", "soon", "1e3", "0x10", "1.2.3", ".5", "1s", "NaN", "inf", "１", ",",
        "06 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:37 CET", "Sun, 31 Feb 1994 08:49:37 GMT", "1994-11-06T08:49:37Z",
    ])
    func waitsForAWhileWhereNothingCanBeRead(_ text: String) {
        #expect(RetryAfter.parse(text, at: Self.now) == RetryAfter.fallback)
    }
}

@Suite struct CircuitBreakerTests {
    private func opened() -> CircuitBreaker {
        var breaker = CircuitBreaker()
        for _ in 0..<5 {
            #expect(!breaker.isOpen)
            breaker.failed(at: start)
        }
        return breaker
    }

    @Test func opensAfterFiveFailuresInARow() {
        var breaker = opened()
        #expect(breaker.isOpen)
        #expect(breaker.request(at: start, isHarmless: true) == .seconds(5))
        #expect(breaker.request(at: start + .seconds(2), isHarmless: true) == .seconds(3))
    }

    @Test func aClockThatIsSetBackDoesNotKeepItOpen() {
        var breaker = opened()
        #expect(breaker.request(at: start + .seconds(-7200), isHarmless: true) == nil)
    }

    @Test func oneSuccessStartsTheCountAgain() {
        var breaker = CircuitBreaker()
        for _ in 0..<4 { breaker.failed(at: start) }
        breaker.succeeded()
        for _ in 0..<4 { breaker.failed(at: start) }
        #expect(!breaker.isOpen)
        #expect(breaker.request(at: start, isHarmless: false) == nil)
    }

    @Test func oneCallTriesAndClosesIt() {
        var breaker = opened()
        let later = start + .seconds(5)
        #expect(breaker.request(at: later, isHarmless: true) == nil)
        #expect(breaker.request(at: later, isHarmless: true) == .seconds(1))
        #expect(breaker.request(at: later, isHarmless: false) == .seconds(1))
        breaker.succeeded()
        #expect(breaker.request(at: later, isHarmless: true) == nil)
        #expect(breaker.request(at: later, isHarmless: false) == nil)
    }

    @Test func everyFailedTrialDoublesTheRestUpToAMinute() {
        var breaker = opened()
        var now = start + .seconds(5)
        for rest in [10, 20, 40, 60, 60] {
            #expect(breaker.request(at: now, isHarmless: true) == nil)
            breaker.failed(at: now)
            #expect(breaker.request(at: now, isHarmless: true) == .seconds(rest))
            now = now + .seconds(rest)
        }
    }

    @Test func harmlessCallsTryFirst() {
        var breaker = opened()
        #expect(breaker.request(at: start + .seconds(5), isHarmless: false) == .seconds(5))
        #expect(breaker.request(at: start + .seconds(9), isHarmless: false) == .seconds(1))
        #expect(breaker.request(at: start + .seconds(9), isHarmless: true) == nil)
    }

    /// A connection that only starts exports must find out too that its upstream is back.
    @Test func whereNoneComesAnyCallTries() {
        var breaker = opened()
        #expect(breaker.request(at: start + .seconds(10), isHarmless: false) == nil)
        #expect(breaker.request(at: start + .seconds(10), isHarmless: true) == .seconds(1))
        breaker.succeeded()
        #expect(!breaker.isOpen)
    }

    @Test func aTrialThatWasGivenUpIsMadeByTheNext() {
        var breaker = opened()
        let later = start + .seconds(5)
        #expect(breaker.request(at: later, isHarmless: true) == nil)
        breaker.gaveUp(at: later)
        #expect(breaker.request(at: later, isHarmless: true) == nil)
    }

    @Test func aTrialThatIsNeverHeardOfAgainIsMadeByAnother() {
        var breaker = opened()
        #expect(breaker.request(at: start + .seconds(5), isHarmless: true) == nil)
        #expect(breaker.request(at: start + .seconds(64), isHarmless: true) == .seconds(1))
        #expect(breaker.request(at: start + .seconds(65), isHarmless: true) == nil)
    }

    @Test func whatComesLateChangesNothingWhileItRests() {
        var breaker = opened()
        breaker.failed(at: start + .seconds(4))
        breaker.gaveUp(at: start + .seconds(4))
        #expect(breaker.request(at: start + .seconds(5), isHarmless: true) == nil)
    }
}

@Suite struct TransportFailureTests {
    private struct Unheard: Error {}

    @Test func onlyWhatNeverLeftMayBeRepeated() {
        for error in [IOError(errnoCode: 111, reason: "connect"), ChannelError.connectTimeout(.seconds(1))]
            as [any Error]
        {
            #expect(TransportFailure.providerError(error, idempotent: false, host: "h").code == .transient)
        }
        for error in [IOError(errnoCode: 104, reason: "read"), ChannelError.eof, Unheard(), DeadlineExceeded()]
            as [any Error]
        {
            #expect(TransportFailure.providerError(error, idempotent: false, host: "h").code == .ambiguous)
            #expect(TransportFailure.providerError(error, idempotent: true, host: "h").code == .transient)
        }
        #expect(
            TransportFailure.providerError(DeadlineExceeded(), idempotent: true, host: "h").problem == .upstreamTimeout
        )
    }

    @Test func labelsHoldNoValues() {
        #expect(TransportFailure.label(Unheard()) == "Unheard")
        #expect(TransportFailure.label(CancellationError()) == "cancelled")
        #expect(TransportFailure.label(IOError(errnoCode: 111, reason: "h:1")) == "connection refused")
    }
}
