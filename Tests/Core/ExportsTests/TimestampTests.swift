import Exports
import Foundation
import Testing
import TestSupport

@Suite struct TimestampTests {
    @Test(
        arguments: [
            // Every length of fraction that Graph sends (`Upstream-Graph, Timestamps`), and more.
            ("2023-06-19T12:06:03Z", 1_687_176_363_000),
            ("2023-06-19T12:06:03.2Z", 1_687_176_363_200),
            ("2023-06-19T12:06:03.23Z", 1_687_176_363_230),
            ("2023-06-19T12:06:03.002Z", 1_687_176_363_002),
            ("2023-06-19T12:06:03.0024Z", 1_687_176_363_002),
            ("2023-06-19T12:06:03.83450Z", 1_687_176_363_834),
            ("2023-06-19T12:06:03.834501Z", 1_687_176_363_834),
            ("2023-06-19T12:06:03.9999999Z", 1_687_176_363_999),
            ("2023-06-19T12:06:03.123456789Z", 1_687_176_363_123),
            // Without a zone, as in innerError.date.
            ("2023-06-19T12:06:03", 1_687_176_363_000),
            ("2023-06-19T12:06:03.5", 1_687_176_363_500),
            // Offsets.
            ("2023-06-19T14:06:03+02:00", 1_687_176_363_000),
            ("2023-06-19T06:36:03-05:30", 1_687_176_363_000),
            ("2023-06-19T12:06:03-00:00", 1_687_176_363_000),
            // Other spellings that RFC 3339 allows.
            ("2023-06-19t12:06:03z", 1_687_176_363_000),
            ("2023-06-19 12:06:03Z", 1_687_176_363_000),
            // Leap days, a leap second, and the ends of the calendar.
            ("2024-02-29T00:00:00Z", 1_709_164_800_000),
            ("2000-02-29T00:00:00Z", 951_782_400_000),
            ("1970-01-01T00:00:00Z", 0),
            ("1969-12-31T23:59:59.999Z", -1),
            ("2016-12-31T23:59:60Z", 1_483_228_800_000),
            ("0001-01-01T00:00:00Z", -62_135_596_800_000),
            ("9999-12-31T23:59:59.999Z", 253_402_300_799_999),
        ] as [(String, Int64)]
    )
    func reads(_ text: String, _ milliseconds: Int64) {
        #expect(Timestamp(rfc3339: text)?.milliseconds == milliseconds)
    }

    @Test(arguments: [
        "", "2023", "2023-06-19", "2023-06-19T12:06", "12:06:03Z",
        // As misprinted on Microsoft's own pages.
        "2023-06-19T12-06-03.0024Z",
        "2023-13-01T00:00:00Z", "2023-00-01T00:00:00Z", "2023-04-31T00:00:00Z", "2023-02-29T00:00:00Z",
        "1900-02-29T00:00:00Z", "2023-06-00T00:00:00Z", "2023-06-19T24:00:00Z", "2023-06-19T12:60:00Z",
        "2023-06-19T12:06:61Z", "2023-06-19T12:06:03.Z", "2023-06-19T12:06:03.1234567890Z", "2023-06-19T12:06:03,5Z",
        "2023-06-19T12:06:03+2:00", "2023-06-19T12:06:03+0200", "2023-06-19T12:06:03+24:00",
        "2023-06-19T12:06:03+01:60",
        "2023-06-19T12:06:03ZZ", "2023-06-19T12:06:03Z ", " 2023-06-19T12:06:03Z", "+023-06-19T12:06:03Z",
        "２０２３-06-19T12:06:03Z", "null",
    ])
    func refuses(_ text: String) {
        #expect(Timestamp(rfc3339: text) == nil)
    }

    @Test(arguments: [
        nil, "", "0001-01-01T00:00:00Z", "0001-01-01T00:00:00", "0001-01-01T00:00:00.0000000Z",
        "0001-01-01T00:00:00-08:00", "2023-06-19T12-06-03.0024Z", "soon",
    ])
    func unsetUpstreamDatesAreNone(_ text: String?) {
        #expect(Timestamp.upstream(text) == nil)
    }

    @Test func setUpstreamDatesAreRead() {
        #expect(Timestamp.upstream("2022-05-23T23:47:54.1234567Z")?.description == "2022-05-23T23:47:54.123Z")
    }

    @Test func printsThreeFractionDigits() {
        #expect(Timestamp(milliseconds: 0).description == "1970-01-01T00:00:00.000Z")
        #expect(Timestamp(milliseconds: -1).description == "1969-12-31T23:59:59.999Z")
        #expect(Timestamp(milliseconds: 1_687_176_363_002).description == "2023-06-19T12:06:03.002Z")
        #expect(Timestamp(milliseconds: -62_135_596_800_000).description == "0001-01-01T00:00:00.000Z")
    }

    @Test func everyTextComesBack() throws {
        var random = SeededRandom(seed: 20_261_121)
        for _ in 0..<20_000 {
            let time = Timestamp(milliseconds: .random(in: -62_135_596_800_000...253_402_300_799_999, using: &random))
            try #require(Timestamp(rfc3339: time.description) == time)
        }
    }

    @Test func agreesWithFoundation() throws {
        var random = SeededRandom(seed: 7)
        let style = Date.ISO8601FormatStyle(includingFractionalSeconds: true)
        for _ in 0..<500 {
            // Since 1583: before, Foundation keeps the Julian calendar. Whole seconds: a Double holds them exactly.
            let time = Timestamp(milliseconds: .random(in: -12_212_553_600...253_402_300_799, using: &random) * 1000)
            let date = Date(timeIntervalSince1970: Double(time.milliseconds) / 1000)
            try #require(time.description == date.formatted(style))
        }
    }

    @Test func everyDayOfFourCenturiesFollowsTheOneBefore() throws {
        let dayLength: Int64 = 86_400_000
        var (year, month, day) = (1999, 12, 31)
        for index in 0..<146_097 as Range<Int64> {
            let isLeap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
            let lengths = [31, isLeap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
            day += 1
            if day > lengths[month - 1] { (month, day) = (month + 1, 1) }
            if month > 12 { (year, month) = (year + 1, 1) }
            func two(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }
            let text = "\(year)-\(two(month))-\(two(day))T00:00:00.000Z"
            try #require(Timestamp(milliseconds: 946_684_800_000 + index * dayLength).description == text)
        }
    }

    @Test func codesAsText() throws {
        let time = Timestamp(milliseconds: 1_687_176_363_002)
        let data = try JSONEncoder().encode([time])
        #expect(String(decoding: data, as: UTF8.self) == #"["2023-06-19T12:06:03.002Z"]"#)
        #expect(try JSONDecoder().decode([Timestamp].self, from: data) == [time])
        #expect(throws: DecodingError.self) {
            try JSONDecoder().decode([Timestamp].self, from: Data(#"["yesterday"]"#.utf8))
        }
    }

    @Test func countsDurations() {
        let start = Timestamp(milliseconds: 1000)
        #expect(start + .milliseconds(250) == Timestamp(milliseconds: 1250))
        #expect(start + .seconds(-2) == Timestamp(milliseconds: -1000))
        #expect(Timestamp(milliseconds: 1250) - start == .milliseconds(250))
        #expect(start < start + .milliseconds(1))
    }
}

@Suite struct DurationTests {
    @Test(
        arguments: [
            (Duration.zero, 0), (.milliseconds(1), 1), (.seconds(1), 1), (.milliseconds(1001), 2), (.seconds(-3), 0),
            (.milliseconds(-1), 0), (.nanoseconds(1), 1), (.seconds(86_400), 86_400),
        ] as [(Duration, Int64)]
    )
    func wholeSecondsAreRoundedUp(_ duration: Duration, _ seconds: Int64) {
        #expect(duration.wholeSecondsRoundedUp == seconds)
    }

    @Test(
        arguments: [
            (Duration.zero, 0), (.microseconds(999), 0), (.milliseconds(1), 1), (.seconds(2), 2000),
            (.seconds(-2), -2000),
            (.microseconds(1999), 1), (.microseconds(-1), -1), (.microseconds(-1500), -2),
        ] as [(Duration, Int64)]
    )
    func millisecondsAreRoundedDown(_ duration: Duration, _ milliseconds: Int64) {
        #expect(duration.milliseconds == milliseconds)
    }
}
