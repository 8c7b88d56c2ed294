import Exports
import JSON
import Testing
import UpstreamHTTP

@testable import LiveCheck

@Suite struct ReportTests {
    private static func report(_ answers: [UpstreamResponse], end: LiveOutcome.End = .read) -> LiveReport {
        let log = AnswerLog([Sample.calls])
        for answer in answers { log.received(answer, to: "sample.status") }
        var outcome = LiveOutcome()
        outcome.end = end
        outcome.reference = UpstreamReference(id: marker, context: ["case": marker])
        outcome.detail = marker
        return LiveReport(exports: [.init(provider: ProviderID("sample"), outcome: outcome, log: log)])
    }

    private static let marker = "planted-marker"

    /// Values, header fields and ids of every kind have the marker in them; what is shown has it nowhere.
    @Test func nothingOfAnAnswerIsInAReport() {
        let text = JSONValue.string(Self.marker)
        let body: JSONValue = .object([
            "id": text, "status": text, "endedAt": text, "hint": text, "comment": text, "extra": text,
            Self.marker: text,
            "files": [["size": text, Self.marker: text], text], "nested": [Self.marker: text],
        ])
        let fields = ["Retry-After", "Location", "ETag", "Content-Type", "request-id", "X-\(Self.marker)"]
        let headers = fields.map { (name: $0, value: Self.marker) }
        let report = Self.report([
            Sample.answer(body, headers: headers), Sample.answer(["value": body]), Sample.answer(body, status: 403),
        ])
        for shown in [report.text, String(decoding: report.json.encodedBytes(), as: UTF8.self)] {
            #expect(!shown.lowercased().contains("marker"))
            #expect(shown.contains("extra"))
            #expect(shown.contains("\(Sample.source)"))
        }
    }

    @Test func aReportIsBounded() {
        var answers: [UpstreamResponse] = []
        for status in 200..<400 {
            let members = (0..<200)
                .map { ("member" + String(repeating: "x", count: $0 % 30) + "\($0 % 10)", JSONValue.integer(1)) }
            answers.append(Sample.answer(.object(Dictionary(members) { $1 }), status: status))
        }
        #expect(Self.report(answers).text.utf8.count < 8192)
    }

    @Test func whatDiffersComesFirst() throws {
        let text = Self.report([Sample.answer(["status": "running"])]).text
        let differs = try #require(text.firstRange(of: "differs:"))
        let documented = try #require(text.firstRange(of: "as documented:"))
        #expect(differs.lowerBound < documented.lowerBound)
        #expect(text.contains("sample.status: There is an id. Observed: absent (1). [\(Sample.source), known]"))
    }

    @Test func theSummaryCountsEachOutcome() {
        let report = Self.report([Sample.answer(Sample.running), Sample.answer(Sample.done)])
        #expect(report.json["summary"]?["differs"]?.integer == 0)
        #expect(report.json["summary"]?["decided"]?.integer == 4)
        #expect(report.isComplete && !report.differs)
        #expect(!Self.report([], end: .ended(.failed)).isComplete)
    }
}
