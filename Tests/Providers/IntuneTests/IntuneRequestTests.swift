import Exports
import JSON
import Testing

@testable import Intune

@Suite struct IntuneRequestTests {
    private func faults(_ options: JSONValue, _ location: SourceLocation = #_sourceLocation) -> [FieldFault] {
        do {
            _ = try IntuneRequest.validate(options)
            Issue.record("these options passed", sourceLocation: location)
            return []
        } catch {
            #expect(error.problem == .invalidExport, sourceLocation: location)
            return error.faults
        }
    }

    @Test("what is given is the request body, with the format beside it")
    func whole() throws {
        let options: JSONValue = [
            "reportName": "DeviceCompliance", "filter": "(OwnerType eq '1')", "select": ["DeviceId", "DeviceName"],
            "format": "JSON", "localizationType": "ReplaceLocalizableValues",
        ]
        let plan = try IntuneRequest.validate(options).plan
        #expect(
            plan.source == [
                "reportName": "DeviceCompliance", "filter": "(OwnerType eq '1')", "select": ["DeviceId", "DeviceName"],
                "format": "json", "localizationType": "replaceLocalizableValues",
            ]
        )
        #expect(plan.suggestedName == "Intune report DeviceCompliance")
        #expect(!plan.needsSecrets)
        // Members that are left out stay out: an empty one may mean something else.
        let bare = try IntuneRequest.validate(["reportName": "Xyz"]).plan.source
        #expect(bare == ["reportName": "Xyz", "format": "csv"])
    }

    @Test("names are not looked up in a list")
    func anyName() throws {
        for name in ["NotYetKnownReportV9", "devices", String(repeating: "a", count: 2000)] {
            _ = try IntuneRequest.validate(["reportName": .string(name)])
        }
    }

    @Test(
        "what is wrong is named with its fix",
        arguments: [
            ([:], "/reportName", "is required"),
            (["reportName": ""], "/reportName", "must not be empty"),
            (["reportName": "Device Compliance"], "/reportName", "without white space"),
            (["reportName": .string(String(repeating: "a", count: 2001))], "/reportName", "1 to 2000"),
            (["reportName": "Devices", "format": "pdf"], "/format", "csv, json"),
            (["reportName": "Devices", "format": "cvs"], "/format", "did you mean \"csv\"?"),
            (["reportName": "Devices", "localizationType": "none"], "/localizationType", "replaceLocalizableValues"),
            (["reportName": "Devices", "select": []], "/select", "1 to 256"),
            (["reportName": "Devices", "select": "DeviceId"], "/select", "must be an array"),
            (["reportName": "Devices", "select": ["A", ""]], "/select/1", "the name of a column"),
            (["reportName": "Devices", "select": ["A", "B", "A"]], "/select/2", "leave it out"),
            (["reportName": "Devices", "select": ["A\u{0}"]], "/select/0", "control characters"),
            (["reportName": "Devices", "filter": ""], "/filter", "must not be empty"),
            (["reportName": "Devices", "search": "x"], "/search", "is not a member here"),
            (["reportName": "Devices", "snapshotId": "x"], "/snapshotId", "is not a member here"),
        ] as [(JSONValue, String, String)]
    )
    func refused(options: JSONValue, pointer: String, words: String) throws {
        let found = faults(options)
        let fault = try #require(found.first { $0.pointer == pointer }, "\(found)")
        #expect(fault.detail.contains(words), "\(fault.detail)")
    }

    @Test("a filter that Microsoft's list requires is asked for at once", arguments: IntuneRequest.requiredColumns)
    func requiredFilter(report: String, column: String) throws {
        for name in [report, report.lowercased()] {
            let missing = try #require(faults(["reportName": .string(name)]).first)
            #expect(missing.pointer == "/filter")
            #expect(missing.detail.contains("(\(column) eq '…')"))
        }
        let other = faults(["reportName": .string(report), "filter": "(Platform eq '1')"])
        #expect(other.map(\.pointer) == ["/filter"])
        let filter = "((\(column) eq '5c1b') and (Platform eq '1'))"
        _ = try IntuneRequest.validate(["reportName": .string(report), "filter": .string(filter)])
    }

    @Test("a report without that mark needs none, also where it is about one policy")
    func unmarked() throws {
        _ = try IntuneRequest.validate(["reportName": "DeviceStatusesByConfigurationProfile"])
    }
}
