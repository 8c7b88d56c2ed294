import Exports
import Testing

@testable import VivaGoals

@Suite struct VivaGoalsStatusTests {
    @Test(
        "every documented status and every other has a place",
        arguments: [
            ("notStarted", ExportStatus.notStarted), ("running", .running), ("succeeded", .succeeded),
            ("failed", .failed), ("unknownFutureValue", .unknown), ("skipped", .unknown), ("Running", .running),
            ("paused", .unknown), ("", .unknown),
        ]
    )
    func states(text: String, status: ExportStatus) {
        #expect(VivaGoalsStatus.status(text) == status)
    }
}
