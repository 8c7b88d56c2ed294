import Exports
import JSON
import ScriptedHost
import Testing

@testable import VivaGoals

@Suite struct VivaGoalsRequestTests {
    static let normalForm: JSONValue = [
        "goalsOrganizationId": .string(organizationID), "explorerViewId": .string(viewID),
    ]

    @Test("the documented request passes and is sent as it was")
    func sample() throws {
        let sample = try recordings.json("goals-create.request.json")
        let validated = try VivaGoalsRequest.validate(sample)
        #expect(validated.plan.source == sample)
        #expect(try VivaGoalsView(source: validated.plan.source).requestBody == sample)
        #expect(validated.secrets.isEmpty && !validated.plan.needsSecrets && validated.plan.destination == nil)
        #expect(!validated.plan.suggestedName.isEmpty)
    }

    @Test(
        "an address, both ids, or all three where they agree",
        arguments: [
            ["explorerViewUrl": .string(viewAddress)],
            ["explorerViewUrl": .string(" \(viewAddress)\n")],
            ["explorerViewUrl": .string(viewAddress + "&tab=all")],
            [
                "explorerViewUrl": .string(
                    "https://GOALS.microsoft.com/org_uuid/\(organizationID.uppercased())/objective-explorer/?sort=1&viewId=\(viewID.uppercased())"
                )
            ],
            ["goalsOrganizationId": .string(organizationID.uppercased()), "explorerViewId": .string(viewID)],
            [
                "goalsOrganizationId": .string(organizationID), "explorerViewId": .string(viewID),
                "explorerViewUrl": .string(viewAddress),
            ],
            ["explorerViewId": .string(viewID), "explorerViewUrl": .string(viewAddress)],
        ] as [JSONValue]
    )
    func forms(options: JSONValue) throws {
        #expect(try VivaGoalsRequest.validate(options).plan.source == Self.normalForm)
    }

    @Test("the address in Microsoft's page is read as the page says")
    func addressOfThePage() throws {
        let page = try recordings.text("exportjob-resource-page.txt")
        let address = try #require(page.split(separator: "\n").first { $0.hasPrefix("https://goals.microsoft.com/") })
        let view = try #require(VivaGoalsView(explorerURL: String(address)))
        #expect(view == VivaGoalsView(organizationID: organizationID, viewID: viewID))
    }

    @Test(
        "what is refused, and where",
        arguments: [
            ([:], ["/goalsOrganizationId", "/explorerViewId"], "unless explorerViewUrl"),
            (["explorerViewId": .string(viewID)], ["/goalsOrganizationId"], "is required"),
            (["goalsOrganizationId": "x", "explorerViewId": .string(viewID)], ["/goalsOrganizationId"], "UUID"),
            (
                ["goalsOrganizationId": .string(viewID), "explorerViewUrl": .string(viewAddress)],
                ["/explorerViewUrl"], "another organization or view"
            ),
            (
                ["explorerViewId": .string(organizationID), "explorerViewUrl": .string(viewAddress)],
                ["/explorerViewUrl"], "another organization or view"
            ),
            (["explorerViewUrl": 1], ["/explorerViewUrl"], "must be a string"),
            (
                [
                    "goalsOrganizationId": .string(organizationID), "explorerViewId": .string(viewID),
                    "explorerViewID": .string(viewID),
                ],
                ["/explorerViewID"], #"did you mean "explorerViewId"?"#
            ),
            ("x", ["", "/goalsOrganizationId", "/explorerViewId"], "must be an object"),
        ] as [(JSONValue, [String], String)]
    )
    func refused(options: JSONValue, pointers: [String], word: String) {
        let error = #expect(throws: ProviderError.self) { _ = try VivaGoalsRequest.validate(options) }
        #expect(error?.code == .invalid)
        #expect(error?.problem == .invalidExport)
        #expect(error?.faults.map(\.pointer) == pointers)
        #expect(error?.faults.contains { $0.detail.contains(word) } == true, "\(String(describing: error?.faults))")
    }

    @Test(
        "addresses that name no saved view",
        arguments: [
            "http://goals.microsoft.com/org_uuid/\(organizationID)/objective-explorer?viewId=\(viewID)",
            "https://goals.microsoft.com.evil.example/org_uuid/\(organizationID)/objective-explorer?viewId=\(viewID)",
            "https://goals.microsoft.com/org_uuid/\(organizationID)/objective-explorer",
            "https://goals.microsoft.com/org_uuid/\(organizationID)/objective-explorer?viewId=1",
            "https://goals.microsoft.com/org_uuid/\(organizationID)/objective-explorer?viewId=\(viewID)&viewId=\(viewID)",
            "https://goals.microsoft.com/org_uuid/1/objective-explorer?viewId=\(viewID)",
            "https://goals.microsoft.com/org/\(organizationID)/objective-explorer?viewId=\(viewID)",
            "https://goals.microsoft.com/org_uuid/\(organizationID)/dashboard?viewId=\(viewID)",
            "goals.microsoft.com", "\(viewAddress) \(viewAddress)",
        ]
    )
    func otherAddresses(text: String) {
        #expect(VivaGoalsView(explorerURL: text) == nil)
        let error = #expect(throws: ProviderError.self) {
            _ = try VivaGoalsRequest.validate(["explorerViewUrl": .string(text)])
        }
        #expect(error?.faults.map(\.pointer) == ["/explorerViewUrl"])
    }

    @Test("schema and validation know the same members")
    func schema() throws {
        let schema = VivaGoalsProvider.descriptor.optionsSchema
        let described = Set(try #require(schema["properties"]?.object).keys)
        let error = #expect(throws: ProviderError.self) { _ = try VivaGoalsRequest.validate(["\u{E000}": 1]) }
        let fault = try #require(error?.faults.first { $0.pointer == "/\u{E000}" })
        let known = try #require(fault.detail.split(separator: "known are ").last)
        #expect(Set(known.split(separator: ", ").map(String.init)) == described)
        #expect(schema["additionalProperties"] == false)
    }

    @Test("what is declared")
    func capabilities() {
        let descriptor = VivaGoalsProvider.descriptor
        #expect(descriptor.id == ProviderID("viva-goals"))
        #expect(descriptor.optionsMember == "vivaGoals")
        #expect(descriptor.retirement?.retiredOn == "2025-12-31")
        let capabilities = descriptor.capabilities
        #expect(capabilities.listing && capabilities.reconcile && capabilities.delegatedOnly)
        #expect(!capabilities.cancel && !capabilities.progress && !capabilities.batchObserve)
        #expect(!capabilities.resubmitIsHarmless && !capabilities.multipleFiles && !capabilities.rangeDownload)
        #expect(capabilities.minimumPollInterval == .seconds(15))
        #expect(capabilities.downloadLifetime == .seconds(86_400))
    }
}
