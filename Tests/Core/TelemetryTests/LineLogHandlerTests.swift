import Exports
import Foundation
import JSON
import Logging
import ManualClock
import Synchronization
import Testing

@testable import Telemetry

@Suite struct LineLogHandlerTests {
    @Test(arguments: LogSettings.Format.allCases)
    func noValueForgesALine(format: LogSettings.Format) {
        let lines = record(format) { logger in
            logger.info("Message", metadata: ["name": "a\r\n2026-01-01 info forged\u{2028}x\u{1B}[2J\u{7F}"])
        }
        #expect(lines.count == 1)
        #expect(lines[0].hasSuffix("\n"))
        #expect(lines[0].dropLast().unicodeScalars.allSatisfy { $0.value >= 0x20 && $0.value != 0x7F })
    }

    @Test func jsonHoldsTimeLevelAndMetadata() throws {
        let lines = record(.json) { logger in
            logger.warning("Message", metadata: ["level": "shadow", "export": "42"])
        }
        let event = try JSONValue(parsing: lines[0].utf8)
        #expect(event["level"] == "warning")
        #expect(event["metadata.level"] == "shadow")
        #expect(event["export"] == "42")
        #expect(event["time"]?.string == ManualTime().now().description)
    }

    /// What is written without a tree of values is what the tree gives.
    @Test(
        arguments: [
            [:], ["export": "42"], ["zeta": "1", "alpha": "2", "time_ms": "3", "lev": "4", "levels": "5"],
            ["number": .stringConvertible(7), "list": .array(["a", "b"])], ["quote": "a\"b"], ["level": "shadow"],
            ["key\"": "1"], ["é": "1"],
        ] as [Logger.Metadata]
    )
    func plainLinesAreTheSame(metadata: Logger.Metadata) throws {
        let box = LineBox()
        let handler = LineLogHandler(
            label: "test",
            settings: .init(),
            time: ManualTime(),
            sink: LogSink { box.add($0) }
        )
        handler.log(
            event: LogEvent(
                level: .info,
                message: "Message",
                metadata: metadata,
                source: "",
                file: "",
                function: "",
                line: 0
            )
        )
        #expect(box.lines == [handler.line(.info, "Message", metadata)])
    }

    @Test func quietLevelsWriteNothing() {
        #expect(record(.text) { $0.debug("Message") }.isEmpty)
    }

    @Test func aLevelThatChangesCountsForAllLoggers() {
        let (box, level) = (LineBox(), LogLevel(.notice))
        var settings = LogSettings()
        settings.level = .trace
        let logger = settings.logger("test", time: ManualTime(), to: LogSink { box.add($0) }, at: level)
        var own = logger
        own.logLevel = .error
        for each in [logger, own] { each.info("Message") }
        #expect(box.lines.isEmpty)
        level.change(to: .debug)
        for each in [logger, own] { each.info("Message") }
        #expect(box.lines.count == 1)
        for each in Logger.Level.allCases {
            level.change(to: each)
            #expect(logger.logLevel == each)
            #expect(own.logLevel == .error)
        }
    }

    private func record(_ format: LogSettings.Format, _ work: (Logger) -> Void) -> [String] {
        var settings = LogSettings()
        settings.format = format
        let box = LineBox()
        work(settings.logger("test", time: ManualTime(), to: LogSink { box.add($0) }))
        return box.lines
    }
}

private final class LineBox: Sendable {
    private let state = Mutex<[String]>([])
    var lines: [String] { state.withLock { $0 } }
    func add(_ line: String) { state.withLock { $0.append(line) } }
}
