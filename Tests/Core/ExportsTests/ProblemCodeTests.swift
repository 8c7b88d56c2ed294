import Exports
import JSON
import Testing

@Suite struct ProblemCodeTests {
    @Test(arguments: ProblemCode.allCases)
    func isKebabCaseWithATitle(_ code: ProblemCode) {
        #expect(code.rawValue.wholeMatch(of: /[a-z]+(-[a-z]+)*/) != nil)
        #expect(code.title.first?.isUppercase == true)
        #expect(code.title.last?.isLetter == true)
        #expect(code.type == "urn:export-gateway:problem:" + code.rawValue)
    }

    @Test func valuesAndTitlesAreUnique() {
        #expect(Set(ProblemCode.allCases.map(\.rawValue)).count == ProblemCode.allCases.count)
        #expect(Set(ProblemCode.allCases.map(\.title)).count == ProblemCode.allCases.count)
    }

    @Test(arguments: ProviderError.Code.allCases)
    func everyAdapterErrorHasAProblem(_ code: ProviderError.Code) {
        let error = ProviderError(code, "what happened")
        #expect(error.label == code.rawValue)
        #expect(error.isRetryable == (code == .throttled || code == .transient))
        #expect(ProviderError(code, "x", problem: .upstreamTimeout).problem == .upstreamTimeout)
        let shown = GatewayError(error, faultsBelow: "/powerBI")
        #expect(shown.code == error.problem)
        #expect(shown.detail == "what happened")
    }

    @Test func adapterErrorsKeepWhatTheClientNeeds() {
        let refused = GatewayError(.invalid([FieldFault("/format", "is required")]), faultsBelow: "/powerBI")
        #expect(refused.code == .invalidExport)
        #expect(refused.faults == [FieldFault("/powerBI/format", "is required")])
        let blocked = GatewayError(
            ProviderError(.conflict, "busy", retryAfter: .seconds(3), existing: "job-1"),
            faultsBelow: ""
        )
        #expect(blocked.code == .upstreamConflict)
        #expect(blocked.members == .existing("job-1"))
        #expect(blocked.retryAfter == .seconds(3))
    }

    @Test func theUpstreamsWordsAreCut() {
        let long = String(repeating: "é", count: 5000)
        let info = UpstreamErrorInfo(status: 400, code: long, message: long, requestId: long)
        #expect(info.code?.count == 256)
        #expect(info.message?.count == 1024)
        #expect(info.requestId?.count == 256)
    }

    @Test func failuresCarryTypeAndTitleOfTheirCode() {
        let failure = ExportFailure(.exportFailed, "why")
        #expect(failure.type == ProblemCode.exportFailed.type)
        #expect(failure.title == ProblemCode.exportFailed.title)
    }
}

@Suite struct ExportStatusTests {
    @Test func onlyEndsAreTerminal() {
        #expect(
            ExportStatus.allCases.filter(\.isTerminal) == [
                .succeeded, .partiallySucceeded, .failed, .canceled, .expired,
            ]
        )
        #expect(ExportStatus.allCases.filter(\.hasResult) == [.succeeded, .partiallySucceeded])
    }

    @Test func aNewExportIsNotStarted() throws {
        let now = Timestamp(milliseconds: 1)
        let export = Export(
            id: try #require(ExportID("01981f3e-7c1a-7b52-9d3e-0242ac120002")),
            provider: ProviderID("power-bi"),
            connection: "c",
            name: "n",
            createdAt: now,
            createdBy: "someone",
            source: [:]
        )
        #expect(export.status == .notStarted)
        #expect(export.updatedAt == now)
        #expect(export.revision == 1)
        #expect(!export.stale)
        #expect(export.files.isEmpty)
    }

    @Test func theMarkerNamesTheExport() throws {
        let id = try #require(ExportID("01981f3e-7c1a-7b52-9d3e-0242ac120002"))
        let marker = SubmissionMarker(exportID: id, exportName: "n", notBefore: Timestamp(milliseconds: 0))
        #expect(marker.text == "export-gateway:01981f3e-7c1a-7b52-9d3e-0242ac120002")
    }
}
