import Exports
import JSON
import Testing
import TestSupport

@Suite struct DownloadReadinessTests {
    private static let now = Timestamp(milliseconds: 1_780_000_000_000)

    private func export(_ status: ExportStatus, files: Int = 0, _ change: (inout Export) -> Void = { _ in }) -> Export {
        var random = SeededRandom(seed: 1)
        var export = Export(
            id: ExportID(at: Self.now, random: &random),
            provider: ProviderID("power-bi"),
            connection: "contoso",
            name: "Sales",
            createdAt: Self.now,
            createdBy: "alice",
            source: [:]
        )
        export.status = status
        export.files = (0..<files).map { ExportFile(id: "\($0)", name: "file \($0)") }
        if status.isTerminal { export.tracking = nil }
        change(&export)
        return export
    }

    private func refusal(_ export: Export, of file: String? = nil) -> ProblemCode? {
        do throws(GatewayError) {
            if let file { _ = try export.downloadableFile(file) } else { _ = try export.downloadableFiles() }
            return nil
        } catch {
            return error.code
        }
    }

    @Test func everyStatusHasAReadiness() {
        let expected: [ExportStatus: DownloadReadiness] = [
            .notStarted: .unfinished, .running: .unfinished, .unknown: .unfinished, .succeeded: .ready,
            .partiallySucceeded: .ready, .failed: .noResult, .canceled: .noResult, .expired: .expired,
        ]
        for status in ExportStatus.allCases { #expect(export(status, files: 1).downloadReadiness == expected[status]) }
    }

    @Test func whatWasGivenUpHasNoResult() {
        #expect(export(.unknown) { $0.completedAt = Self.now }.downloadReadiness == .noResult)
    }

    @Test func filesThatArePolledForArePending() {
        let pending = export(.succeeded) { $0.tracking = .background }
        #expect(pending.downloadReadiness == .filesPending)
        #expect(refusal(pending) == .notReady)
        #expect(refusal(pending, of: "0") == .notReady)
    }

    @Test func filesInTheCallersStorageAreElsewhere() {
        let elsewhere = export(.succeeded) { $0.destination = "https://a/b" }
        #expect(elsewhere.downloadReadiness == .deliveredElsewhere("https://a/b"))
        #expect(refusal(elsewhere) == .deliveredElsewhere)
    }

    @Test func refusalsSayWhy() {
        #expect(refusal(export(.running)) == .notReady)
        #expect(refusal(export(.failed), of: "0") == .noResult)
        #expect(refusal(export(.expired, files: 1), of: "0") == .expired)
        #expect(refusal(export(.succeeded)) == .noResult)
        #expect(refusal(export(.succeeded), of: "0") == .notFound)
        #expect(refusal(export(.succeeded, files: 1), of: "1") == .notFound)
    }

    @Test func aResultGivesItsFiles() throws {
        let export = export(.partiallySucceeded, files: 2)
        #expect(try export.downloadableFiles() == export.files)
        #expect(try export.downloadableFile("1") == export.files[1])
    }

    @Test func theFilesAreOverAtTheTimeThatTheUpstreamNamed() {
        let export = export(.succeeded, files: 1) { $0.expiresAt = Self.now + .seconds(1) }
        #expect(!export.isPastExpiry(at: Self.now))
        #expect(export.isPastExpiry(at: Self.now + .seconds(1)))
        #expect(!self.export(.succeeded, files: 1).isPastExpiry(at: Self.now))
    }
}
