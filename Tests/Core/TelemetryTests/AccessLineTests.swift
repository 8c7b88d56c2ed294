import Exports
import Logging
import ManualClock
import Synchronization
import Testing

@testable import Telemetry

@Suite struct AccessLineTests {
    private static let words = [
        "reporting", "", "user:1:2", "Jörg", "a\"b", "a\\b", "a/b", "a\nb", "\u{7F}", "\u{85}", "\u{2028}", "\u{0}",
        "=", " ",
        "/exports/{id}", "none", "GET", "other", "4f2a", "é", "😀", "<>&'",
    ]

    /// What is written without a tree of values is what every other event is written by.
    @Test(arguments: LogSettings.Format.allCases)
    func bothWaysWriteTheSame(format: LogSettings.Format) throws {
        var random = SystemRandomNumberGenerator()
        var settings = LogSettings()
        settings.format = format
        let lines = Mutex<[String]>([])
        let sink = LogSink { line in lines.withLock { $0.append(line) } }
        let logger = settings.logger("export-gateway", time: ManualTime(), to: sink)
        let log = try #require(logger.handler as? any AccessLog)
        for _ in 0..<2000 {
            func word() -> String { Self.words.randomElement(using: &random) ?? "" }
            let record = AccessRecord(
                requestID: word(),
                method: word(),
                route: word(),
                status: .random(in: 100...599, using: &random),
                duration: .milliseconds(Int64.random(in: -5...100_000, using: &random)),
                bytes: [0, 7, 10, 1_234_567, .max].randomElement(using: &random) ?? 0,
                caller: Bool.random(using: &random) ? word() : nil,
                export: Bool.random(using: &random) ? ExportID(at: ManualTime().now(), random: &random) : nil,
                code: Bool.random(using: &random) ? .notFound : nil,
                isComplete: .random(using: &random),
                traceID: Bool.random(using: &random) ? "4bf92f3577b34da6a3ce929d0e0e4736" : nil
            )
            log.write(record)
            logger.log(level: record.level, "\(record.message)", metadata: record.metadata)
            let written = lines.withLock { lines in
                defer { lines = [] }
                return lines
            }
            #expect(written.count == 2)
            #expect(written.first == written.last)
        }
    }

    @Test func quietLevelsWriteNothing() throws {
        var settings = LogSettings()
        settings.level = .warning
        let lines = Mutex<[String]>([])
        let logger = settings.logger(
            "test",
            time: ManualTime(),
            to: LogSink { line in lines.withLock { $0.append(line) } }
        )
        let log = try #require(logger.handler as? any AccessLog)
        var record = AccessRecord(
            requestID: "1",
            method: "GET",
            route: "/livez",
            status: 200,
            duration: .zero,
            bytes: 1
        )
        log.write(record)
        #expect(lines.withLock { $0.isEmpty })
        record.isComplete = false
        log.write(record)
        #expect(lines.withLock { $0.count } == 1)
    }

    @Test func theTimeIsWrittenAsEverywhere() {
        let text = TimestampText()
        var random = SystemRandomNumberGenerator()
        for _ in 0..<2000 {
            let base: Int64 = [0, -1, 1_780_000_000_000, 253_402_300_799_999].randomElement(using: &random) ?? 0
            let time = Timestamp(milliseconds: base + .random(in: -3000...3000, using: &random))
            var line: [UInt8] = []
            text.append(time, to: &line)
            #expect(String(decoding: line, as: UTF8.self) == time.description)
        }
    }
}
