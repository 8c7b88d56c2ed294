import Exports
import Testing

@testable import PowerBI

@Suite struct PowerBIStatusTests {
    @Test(
        "every documented state and every other has a place",
        arguments: [
            ("Undefined", ExportStatus.unknown), ("NotStarted", .notStarted), ("Running", .running),
            ("Succeeded", .succeeded), ("Failed", .failed), ("RUNNING", .running), ("succeeded", .succeeded),
            ("Cancelled", .unknown), ("", .unknown),
        ]
    )
    func states(text: String, status: ExportStatus) {
        #expect(PowerBIStatus.status(text) == status)
    }
}
