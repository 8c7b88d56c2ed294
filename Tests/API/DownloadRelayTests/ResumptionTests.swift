import Exports
import Testing

@testable import DownloadRelay

/// The decisions, without bytes.
@Suite struct ResumptionTests {
    private static let strong = FileFacts(size: 10_000_000, validator: "\"v1\"", servesRanges: true)

    private func machine(
        _ facts: FileFacts = strong,
        origin: Int64 = 0,
        last: Int64? = nil,
        attempts: Int = 3
    ) -> Resumption {
        Resumption(origin: origin, last: last, facts: facts, limits: .init(attempts: attempts))
    }

    private func part(_ first: Int64, of size: Int64? = 10_000_000, validator: String? = "\"v1\"") -> FileBody.Head {
        FileBody.Head(
            range: ContentRange(first: first, last: (size ?? 10_000_000) - 1, completeLength: size),
            validator: validator
        )
    }

    private func range(_ step: Resumption.Step) -> FileRange?? {
        guard case .reopen(let range, _) = step else { return nil }
        return .some(range)
    }

    @Test func asksForTheRestUnderTheValidator() {
        var machine = machine()
        let step = machine.brokeOff(at: 5000, isRetryable: true)
        #expect(step == .reopen(FileRange(first: 5000, validator: "\"v1\""), after: .milliseconds(250)))
        #expect(machine.answered(part(5000), at: 5000) == .goOn)
    }

    @Test func asksForNoMoreThanThePart() {
        var machine = machine(origin: 100, last: 9000)
        let step = machine.brokeOff(at: 5000, isRetryable: true)
        #expect(range(step) == FileRange(first: 5000, last: 9000, validator: "\"v1\""))
    }

    @Test func withoutAValidatorTheFileIsReadAgain() {
        var whole = machine(FileFacts(size: 10_000_000, servesRanges: true))
        #expect(range(whole.brokeOff(at: 5000, isRetryable: true)) == .some(nil))
        #expect(whole.answered(FileBody.Head(contentLength: 10_000_000), at: 5000) == .prove(from: 0))
        var part = machine(FileFacts(size: 10_000_000, servesRanges: true), origin: 100)
        #expect(range(part.brokeOff(at: 5000, isRetryable: true)) == FileRange(first: 100))
        #expect(part.answered(self.part(100, validator: nil), at: 5000) == .prove(from: 100))
        #expect(part.answered(FileBody.Head(), at: 5000) == .prove(from: 0))
    }

    @Test func whenOnlyTheEndWasLostTheFileIsReadAgain() {
        var machine = machine()
        #expect(range(machine.brokeOff(at: 10_000_000, isRetryable: true)) == .some(nil))
    }

    @Test func aChangedFileIsNeverGoneOnWith() {
        for head in [
            part(5000, validator: "\"v2\""), part(5000, of: 9_999_999), FileBody.Head(contentLength: 9_999_999),
            FileBody.Head(contentLength: 10_000_000, validator: "\"v2\""), FileBody.Head(contentEncoding: "br"),
        ] {
            var machine = machine()
            _ = machine.brokeOff(at: 5000, isRetryable: true)
            #expect(machine.answered(head, at: 5000) == .changed, "\(head)")
        }
    }

    /// A part that proves nothing by itself is of no use, and is not asked for again.
    @Test func aPartThatNobodyVouchesForIsRefused() {
        for head in [part(5000, validator: nil), part(4999), part(5001), part(1)] {
            var machine = machine()
            _ = machine.brokeOff(at: 5000, isRetryable: true)
            #expect(machine.answered(head, at: 5000) == .refuse, "\(head)")
            #expect(range(machine.brokeOff(at: 5000, isRetryable: true)) == .some(nil))
        }
        var encoded = machine()
        var head = part(5000)
        head.contentEncoding = "gzip"
        #expect(encoded.answered(head, at: 5000) == .refuse)
    }

    @Test func aRefusedRangeIsNotAskedForAgain() {
        var machine = machine()
        _ = machine.brokeOff(at: 5000, isRetryable: true)
        machine.partWasRefused()
        #expect(range(machine.brokeOff(at: 5000, isRetryable: true)) == .some(nil))
    }

    @Test func attemptsWithoutProgressAreBounded() {
        var machine = machine()
        var waits: [Duration] = []
        while case .reopen(_, let wait) = machine.brokeOff(at: 5000, isRetryable: true) { waits.append(wait) }
        #expect(waits == [.milliseconds(250), .milliseconds(500), .seconds(1)])
        // Before the first byte there is still somebody to be told.
        var early = self.machine(attempts: 6)
        waits = []
        while case .reopen(_, let wait) = early.brokeOff(at: 0, isRetryable: true) { waits.append(wait) }
        #expect(waits == [.milliseconds(250), .milliseconds(500)])
        var none = self.machine(attempts: 0)
        #expect(none.brokeOff(at: 5000, isRetryable: true) == .giveUp)
    }

    @Test func enoughProgressBeginsTheCountAgain() {
        var machine = machine()
        for position in stride(from: Int64(1 << 20), through: 9 << 20, by: 1 << 20) {
            let step = machine.brokeOff(at: position, isRetryable: true)
            #expect(step == .reopen(FileRange(first: position, validator: "\"v1\""), after: .milliseconds(250)))
        }
        // Too little each time, though much in all.
        var slow = self.machine()
        var attempts = 0
        for position in stride(from: Int64(5000), to: 1 << 20, by: 5000) {
            guard slow.brokeOff(at: position, isRetryable: true) != .giveUp else { break }
            attempts += 1
        }
        #expect(attempts == 3)
    }

    @Test func readingAgainNeedsProgressInProportion() {
        let facts = FileFacts(size: 1 << 40)
        var position: Int64 = 1 << 30
        var machine = machine(facts)
        _ = machine.brokeOff(at: position, isRetryable: true)
        var attempts = 1
        while machine.brokeOff(at: position, isRetryable: true) != .giveUp {
            attempts += 1
            position += 2 << 20
        }
        #expect(attempts == 3)
    }

    @Test func waitsAreTheUpstreamsUpToABound() {
        var machine = machine()
        #expect(
            machine.brokeOff(at: 5000, isRetryable: true, retryAfter: .seconds(7))
                == .reopen(FileRange(first: 5000, validator: "\"v1\""), after: .seconds(7))
        )
        #expect(machine.brokeOff(at: 5000, isRetryable: true, retryAfter: .seconds(31)) == .giveUp)
        #expect(machine.brokeOff(at: 5000, isRetryable: false) == .giveUp)
        var patient = self.machine(attempts: 50)
        var longest = Duration.zero
        while case .reopen(_, let wait) = patient.brokeOff(at: 5000, isRetryable: true) { longest = max(longest, wait) }
        #expect(longest == .seconds(30))
    }
}

@Suite struct RangeFieldTests {
    @Test(arguments: [
        ("bytes=0-0", RangeField.from(0, to: 0)), ("bytes=5-", .from(5, to: nil)), ("bytes=-7", .suffix(7)),
        ("BYTES=1-2", .from(1, to: 2)), (" bytes = 1-2 ", .from(1, to: 2)), ("bytes=1-2,", .from(1, to: 2)),
        ("bytes=-0", .suffix(0)), ("bytes=99999999999999999999-", .from(.max, to: nil)),
        ("bytes=0-99999999999999999999", .from(0, to: .max)),
        // Ignored.
        (nil, nil), ("", nil), ("bytes", nil), ("bytes=", nil), ("bytes=-", nil), ("bytes=2-1", nil),
        ("bytes=0-1,3-4", nil), ("bytes=0-1, 3-4", nil), ("lines=0-1", nil), ("bytes=a-b", nil), ("bytes=1 - 2", nil),
        ("bytes=+1-2", nil), ("bytes=--1", nil), ("bytes=1-2-3", nil), ("bytes=0x1-2", nil), ("bytes=1-٢", nil),
        ("bytes:0-1", nil), ("bytes=0-1;q=1", nil), ("none=0-1", nil),
    ])
    func reads(field: String?, range: RangeField?) {
        #expect(RangeField(field) == range)
    }

    @Test(
        arguments: [
            (RangeField.from(0, to: 4), 10, FilePart(first: 0, last: 4, size: 10)),
            (.from(9, to: nil), 10, FilePart(first: 9, last: 9, size: 10)),
            (.from(3, to: 99), 10, FilePart(first: 3, last: 9, size: 10)), (.from(10, to: nil), 10, nil),
            (.suffix(3), 10, FilePart(first: 7, last: 9, size: 10)),
            (.suffix(99), 10, FilePart(first: 0, last: 9, size: 10)), (.suffix(0), 10, nil), (.suffix(1), 0, nil),
            (.from(0, to: nil), 0, nil), (.from(.max, to: .max), 10, nil),
        ] as [(RangeField, Int64, FilePart?)]
    )
    func resolves(range: RangeField, size: Int64, part: FilePart?) {
        #expect(range.resolved(in: size) == part)
    }
}

@Suite struct FileFormatTests {
    @Test(arguments: [
        ("a.zip", nil, FileFormat.zip), ("A.ZIP", nil, .zip), ("a.pdf", nil, .pdf), ("a.pptx", nil, .officeOpenXML),
        ("a", "application/pdf", .pdf), ("a", "application/zip; x=y", .zip), ("a.csv", "application/zip", .csv),
        ("a.CSV", nil, .csv), ("a.pst", nil, .pst), ("a.TIFF", nil, .tiff), ("a", "text/xml", .xml),
        ("a.mht", "text/html", .mhtml), ("a.dat", "application/pdf", nil), ("a", nil, nil), ("pdf", nil, nil),
    ])
    func isNamed(name: String, type: String?, format: FileFormat?) {
        #expect(FileFormat(ExportFile(id: "1", name: name, contentType: type)) == format)
    }
}
