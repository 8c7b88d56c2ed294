import NIOCore
import Testing

@testable import GatewayAPI

@Suite struct ReaderPaceTests {
    private static let kibibyte = 1 << 10
    private let start = NIODeadline.uptimeNanoseconds(1_000_000_000)

    /// At least 1 KiB/s over 60 s.
    private func pace(rate: Int = 1 << 10) -> ReaderPace { ReaderPace(rate: rate, window: .seconds(60)) }

    @Test func aClientThatTakesNothingIsTooSlow() {
        for rate in [0, 1 << 10] {
            var pace = pace(rate: rate)
            pace.willWrite(100 * Self.kibibyte, isUpToDate: true)
            pace.fellBehind(waiting: 100 * Self.kibibyte, at: start)
            #expect(pace.nextCheck == start + .seconds(60))
            #expect(pace.isTooSlow(waiting: 100 * Self.kibibyte, at: start + .seconds(60)) == true)
        }
    }

    @Test func aClientThatTakesLittleIsTooSlow() {
        var pace = pace()
        pace.willWrite(100 * Self.kibibyte, isUpToDate: true)
        pace.fellBehind(waiting: 100 * Self.kibibyte, at: start)
        // 40 KiB are taken, and again written, in a minute.
        pace.willWrite(40 * Self.kibibyte, isUpToDate: false)
        pace.fellBehind(waiting: 100 * Self.kibibyte, at: start + .seconds(30))
        #expect(pace.isTooSlow(waiting: 100 * Self.kibibyte, at: start + .seconds(60)) == true)
    }

    @Test func aSlowClientIsLetBe() {
        var pace = pace()
        pace.willWrite(100 * Self.kibibyte, isUpToDate: true)
        pace.fellBehind(waiting: 100 * Self.kibibyte, at: start)
        for minute in 1...100 {
            pace.willWrite(60 * Self.kibibyte, isUpToDate: false)
            #expect(pace.isTooSlow(waiting: 100 * Self.kibibyte, at: start + .minutes(Int64(minute))) == false)
            #expect(pace.nextCheck == start + .minutes(Int64(minute + 1)))
        }
        // Each window counts alone: what was taken before is no credit.
        #expect(pace.isTooSlow(waiting: 100 * Self.kibibyte, at: start + .minutes(101)) == true)
    }

    @Test func anyByteCountsWhereThereIsNoRate() {
        var pace = pace(rate: 0)
        pace.willWrite(100 * Self.kibibyte, isUpToDate: true)
        pace.fellBehind(waiting: 100 * Self.kibibyte, at: start)
        #expect(pace.isTooSlow(waiting: 100 * Self.kibibyte - 1, at: start + .seconds(60)) == false)
        #expect(pace.isTooSlow(waiting: 100 * Self.kibibyte - 1, at: start + .seconds(120)) == true)
    }

    @Test func aSlowUpstreamIsNotTheClientsFault() {
        var pace = pace()
        pace.willWrite(100 * Self.kibibyte, isUpToDate: true)
        pace.fellBehind(waiting: 100 * Self.kibibyte, at: start)
        // Everything is taken; a little comes just before the check.
        pace.willWrite(10, isUpToDate: true)
        #expect(pace.nextCheck == nil)
        #expect(pace.isTooSlow(waiting: 10, at: start + .seconds(60)) == false)
        // And so for ever, with the client behind for a moment each time.
        for minute in 1...10 {
            let time = start + .minutes(Int64(minute))
            pace.willWrite(40 * Self.kibibyte, isUpToDate: true)
            pace.fellBehind(waiting: 40 * Self.kibibyte, at: time)
            #expect(pace.isTooSlow(waiting: 10, at: time + .seconds(1)) == false)
        }
    }

    @Test func whoHasTakenEverythingKeepsUp() {
        var pace = pace()
        pace.willWrite(100 * Self.kibibyte, isUpToDate: true)
        pace.fellBehind(waiting: 100 * Self.kibibyte, at: start)
        #expect(pace.isTooSlow(waiting: 0, at: start + .seconds(60)) == false)
        #expect(pace.nextCheck == nil)
    }

    @Test func aWindowMayBeShort() {
        #expect(ReaderPace(rate: 1000, window: .milliseconds(100)).minimum == 100)
        #expect(ReaderPace(rate: 1000, window: .milliseconds(1500)).minimum == 1500)
        #expect(ReaderPace(rate: 1, window: .milliseconds(1)).minimum == 1)
        #expect(ReaderPace(rate: 1 << 30, window: .hours(1)).minimum == 3600 << 30)
    }
}
