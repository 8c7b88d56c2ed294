import Exports
import ManualClock
import Spans
import Testing

@testable import TraceExport

/// `Tests/Contract/test_traces.py` has a program of OpenTelemetry's read the same bytes.
@Suite struct OTLPRequestTests {
    @Test func writesWhatProtocolBuffersSay() {
        var writer = ProtobufWriter()
        writer.number(1, 150)
        writer.text(2, "testing")
        writer.message(3) { $0.number(1, 150) }
        // The examples of https://protobuf.dev/programming-guides/encoding.
        #expect(
            writer.bytes == [0x08, 0x96, 0x01, 0x12, 0x07] + Array("testing".utf8) + [0x1A, 0x03, 0x08, 0x96, 0x01]
        )
    }

    @Test func writesNumbersOfAllKinds() {
        var writer = ProtobufWriter()
        writer.number(1, -1)
        writer.fixed64(2, 1)
        writer.fixed32(16, 0x0102_0304)
        writer.double(3, 1)
        writer.words(4, 0x0102_0304_0506_0708, 1)
        #expect(
            writer.bytes == [0x08] + Array(repeating: 0xFF, count: 9) + [0x01]
                + [0x11, 1, 0, 0, 0, 0, 0, 0, 0] + [0x85, 0x01, 4, 3, 2, 1] + [0x19, 0, 0, 0, 0, 0, 0, 0xF0, 0x3F]
                + [0x22, 16, 1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 0, 0, 0, 0, 1]
        )
    }

    /// The length of a message stands before it, in as many bytes as it needs.
    @Test(arguments: [0, 1, 125, 126, 127, 128, 16_380, 16_384, 300_000])
    func aMessageOfAnyLengthCanBeRead(length: Int) throws {
        var writer = ProtobufWriter()
        writer.message(1) { $0.message(2) { $0.text(3, String(repeating: "x", count: length)) } }
        var rest = writer.bytes[...]
        for tag: UInt8 in [0x0A, 0x12, 0x1A] {
            #expect(rest.popFirst() == tag)
            var (size, shift) = (0, 0)
            while let byte = rest.popFirst() {
                size |= Int(byte & 0x7F) << shift
                shift += 7
                if byte < 0x80 { break }
            }
            #expect(size == rest.count)
        }
        #expect(rest.count == length)
    }

    @Test func aSpanHasItsIDsAndTimes() throws {
        let tracer = GatewayTracer(
            {
                var settings = GatewayTracer.Settings()
                settings.ratio = 1
                return settings
            }(),
            time: ManualTime(),
            random: Randomness { 7 }
        )
        let id = try #require(ExportID("01981f3e-7c1a-7b52-9d3e-0242ac120002"))
        try #require(tracer.creation(of: id)).end()
        let bytes = OTLPRequest.bytes(try #require(tracer.buffer).take(), resource: [("service.name", "gateway")])
        let traceID: [UInt8] = [
            0x01, 0x98, 0x1F, 0x3E, 0x7C, 0x1A, 0x7B, 0x52, 0x9D, 0x3E, 0x02, 0x42, 0xAC, 0x12, 0x00, 0x02,
        ]
        #expect(bytes.contains([0x0A, 16] + traceID))
        #expect(bytes.contains([0x12, 8] + traceID.suffix(8)))
        #expect(bytes.contains(Array("export.create".utf8)) && bytes.contains(Array("service.name".utf8)))
        // A root has no parent: the field behind the ids is the name.
        #expect(bytes.contains([0x12, 8] + traceID.suffix(8) + [0x2A, 13] + Array("export.create".utf8)))
    }

    @Test(arguments: [
        ([], 0), ([0x0A, 0x00], 0), ([0x0A, 0x02, 0x08, 0x05], 5), ([0x0A, 0x05, 0x12, 0x01, 0x78, 0x08, 0x07], 7),
        ([0x12, 0x00, 0x0A, 0x03, 0x08, 0x96, 0x01], 150), ([0x0A, 0x7F, 0x08], 0), ([0xFF], 0),
        (Array("<html>".utf8), 0), ([0x0A, 0x0B, 0x08] + Array(repeating: 0xFF, count: 9) + [0x01], Int.max),
    ])
    func readsHowManySpansWereRejected(body: [UInt8], rejected: Int) {
        #expect(OTLPAnswer.rejectedSpans(body) == rejected)
    }
}
