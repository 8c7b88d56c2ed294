import GatewayClient
import JSON
import ProgramSupport
import Testing

@testable import ClientCommands

@Suite struct DisplayTests {
    @Test(arguments: [
        (0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (1_572_864, "1.5 MiB"), (1 << 30, "1.0 GiB"),
        (Int64.max, "8.0 EiB"),
    ])
    func bytesHaveUnits(count: Int64, text: String) {
        #expect(Figures.bytes(count) == text)
    }

    @Test(arguments: [(7, "0:07"), (725, "12:05"), (3723, "1:02:03"), (-5, "0:00")])
    func clocksShowTime(seconds: Int, text: String) {
        #expect(Figures.clock(.seconds(seconds)) == text)
    }

    @Test func nothingControlsTheTerminal() {
        #expect(TerminalText.printable("a\u{1B}[31m\r\nb\u{202E}c") == "a?[31m??b?c")
        #expect(TerminalText.printable("a\nb\u{7}", keepingLines: true) == "a\nb?")
    }

    @Test func theRateIsThatOfTheLastSeconds() {
        var meter = RateMeter()
        #expect(meter.bytesPerSecond == nil)
        for second in 0...20 { meter.read(Int64(second * 1000), at: .seconds(second)) }
        #expect(meter.bytesPerSecond == 1000)
        #expect(meter.remaining(to: 25_000) == .seconds(5))
        #expect(meter.remaining(to: nil) == nil)
        for second in 21...30 { meter.read(20_000, at: .seconds(second)) }
        #expect(meter.bytesPerSecond == 0)
        #expect(meter.remaining(to: 25_000) == nil)
        // A file that begins again is no negative rate.
        meter.read(10, at: .seconds(31))
        #expect(meter.bytesPerSecond == nil)
    }

    @Test func aRowShowsWhatIsKnown() {
        var row = DownloadRow(name: "Report.csv", from: 0, total: 2048)
        row.tick(at: .seconds(0))
        row.reach(1024, of: 2048)
        row.tick(at: .seconds(1))
        let line = row.line(width: 100)
        #expect(line.contains("Report.csv") && line.contains("50%") && line.contains("1.0 KiB of 2.0 KiB"))
        #expect(line.contains("1.0 KiB/s") && line.contains("0:01 left"))
        let bar = line.matches(of: /\[(#+)(-+)\]/).first
        #expect(bar.map { abs($0.1.count - $0.2.count) <= 1 } == true)
        #expect(!row.line(width: 40).contains("["))
        row.wait(at: 1024)
        #expect(row.line(width: 100).contains("waiting"))
        var unknown = DownloadRow(name: "x", from: 0, total: nil)
        unknown.reach(5, of: nil)
        #expect(unknown.line(width: 80).hasSuffix("5 B"))
    }

    @Test(arguments: [20, 60, 80, 120, 300])
    func aRowFitsIntoTheWidth(width: Int) {
        var row = DownloadRow(name: String(repeating: "long", count: 50), from: 0, total: 1 << 40)
        row.tick(at: .zero)
        row.reach(1 << 39, of: 1 << 40)
        row.tick(at: .seconds(1))
        #expect(row.line(width: width).count <= max(width, 70))
    }

    @Test func tablesHaveColumns() {
        #expect(Output.table(["a", "long"], [["1", "2"], ["three", ""]]) == "a      long\n1      2\nthree  ")
        #expect(Output.details([("a", "1"), ("none", nil), ("long", "2\n")]) == "a     1\nlong  2?")
    }
}

@Suite struct CreateBodyTests {
    @Test func optionsAreTextsOrJSON() throws {
        #expect(
            try CreateBody.options(["a=1", "b:=1", "c:=[true]", "d=", "e=x=y", "f:=\"t\""])
                == ["a": "1", "b": 1, "c": [true], "d": "", "e": "x=y", "f": "t"]
        )
    }

    @Test(arguments: [["a"], ["=1"], [":=1"], ["a=1", "a=2"], ["a:=x"], ["a:="]])
    func whatIsNoOptionIsRefused(words: [String]) {
        #expect(throws: (any Error).self) { try CreateBody.options(words) }
    }
}
