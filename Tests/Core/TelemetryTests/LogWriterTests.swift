import Dispatch
import Foundation
import Metrics
import Synchronization
import Testing

@testable import Telemetry

@Suite struct LogWriterTests {
    private func writer(_ descriptor: CInt, capacity: Int = 1 << 20) -> LogWriter {
        LogWriter(descriptor: descriptor, capacity: capacity) { "lost \($0)\n" }
    }

    /// Both ends of a new pipe.
    private func pipe() throws -> (reader: CInt, writer: CInt) {
        var ends: [CInt] = [0, 0]
        try #require(Foundation.pipe(&ends) == 0)
        return (ends[0], ends[1])
    }

    private func everything(from reader: CInt) -> String {
        String(decoding: FileHandle(fileDescriptor: reader, closeOnDealloc: true).readDataToEndOfFile(), as: UTF8.self)
    }

    @Test func linesComeWholeAndInTheirOrder() throws {
        let (reader, end) = try pipe()
        let writer = writer(end)
        let lines = (0..<500).map { "line \($0) \(String(repeating: "x", count: $0 % 37))\n" }
        for line in lines { writer.sink.write(Array(line.utf8), true) }
        writer.close(within: .seconds(10))
        close(end)
        #expect(everything(from: reader) == lines.joined())
        #expect(writer.lost.isEmpty)
    }

    /// Those that are not urgent wait for others, and go out with the next one that is.
    @Test func linesThatWaitKeepTheirPlaceAmongTheOthers() throws {
        let (reader, end) = try pipe()
        let writer = writer(end)
        let lines = (0..<1000).map { "line \($0) \(String(repeating: "x", count: $0 % 37))\n" }
        for (index, line) in lines.enumerated() {
            writer.sink.write(Array(line.utf8), index % 50 == 49)
        }
        writer.close(within: .seconds(10))
        close(end)
        #expect(everything(from: reader) == lines.joined())
        #expect(writer.lost.isEmpty)
    }

    /// Nobody has to write another line for it, or to end the writer.
    @Test func aLineThatWaitsIsWrittenSoon() throws {
        let (reader, end) = try pipe()
        let writer = writer(end)
        var text = ""
        for number in 0..<5 {
            writer.sink.write(Array("line \(number)\n".utf8), false)
            while !text.hasSuffix("line \(number)\n") {
                var bytes = [UInt8](repeating: 0, count: 100)
                let count = read(reader, &bytes, bytes.count)
                try #require(count > 0)
                text += String(decoding: bytes[..<count], as: UTF8.self)
            }
        }
        writer.close(within: .seconds(10))
        close(end)
        close(reader)
    }

    @Test func aLineLongerThanAPieceIsWhole() throws {
        let (reader, end) = try pipe()
        let writer = writer(end)
        let line = String(repeating: "y", count: 20_000) + "\n"
        writer.sink.write(Array(line.utf8), true)
        writer.close(within: .seconds(10))
        close(end)
        #expect(everything(from: reader) == line)
    }

    /// The pipe takes 64 KiB, the buffer 4 KiB: the rest is lost, and told once somebody reads.
    @Test func nobodyWaitsForAReader() throws {
        let (reader, end) = try pipe()
        let writer = writer(end, capacity: 4096)
        let line = String(repeating: "z", count: 99) + "\n"
        for _ in 0..<10_000 { writer.sink.write(Array(line.utf8), true) }
        let lost = try #require(writer.lost[.bufferFull])
        #expect(lost > 0 && lost < 10_000)
        writer.close(within: .milliseconds(50))
        let text = Mutex("")
        let isRead = DispatchSemaphore(value: 0)
        let reading = Thread {
            text.withLock { $0 = everything(from: reader) }
            isRead.signal()
        }
        reading.start()
        writer.close(within: .seconds(10))
        close(end)
        isRead.wait()
        let lines = text.withLock { $0 }.split(separator: "\n", omittingEmptySubsequences: false).dropLast()
        let told = lines.filter { $0.hasPrefix("lost ") }.compactMap { Int($0.dropFirst(5)) }
        let taken = lines.filter { $0 == line.dropLast() }.count
        #expect(taken + told.count == lines.count)
        #expect(taken + lost == 10_000)
        #expect(told.reduce(0, +) <= lost)
    }

    @Test func aFullDiskLosesLinesAndNothingElse() throws {
        let full = open("/dev/full", O_WRONLY)
        try #require(full >= 0)
        let writer = writer(full)
        for _ in 0..<100 { writer.sink.write(Array("a line\n".utf8), true) }
        writer.close(within: .seconds(10))
        close(full)
        #expect(writer.lost == [.writeFailed: 100])
    }

    @Test func aDescriptorThatIsClosedLosesLines() throws {
        let (reader, end) = try pipe()
        close(reader)
        close(end)
        // A number that nothing has.
        let writer = writer(1_000_000)
        writer.sink.write(Array("a line\n".utf8), true)
        writer.close(within: .seconds(10))
        #expect(writer.lost == [.writeFailed: 1])
    }

    @Test func afterTheEndNothingIsTaken() throws {
        let (reader, end) = try pipe()
        let writer = writer(end)
        writer.close(within: .seconds(10))
        writer.sink.write(Array("late\n".utf8), true)
        close(end)
        #expect(everything(from: reader).isEmpty)
        #expect(writer.lost == [.bufferFull: 1])
    }
}
