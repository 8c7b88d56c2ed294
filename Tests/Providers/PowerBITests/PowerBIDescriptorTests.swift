import Exports
import JSON
import ScriptedHost
import Testing

@testable import PowerBI

@Suite struct PowerBIDescriptorTests {
    let schema = PowerBIProvider.descriptor.optionsSchema

    @Test("what is declared")
    func capabilities() {
        let descriptor = PowerBIProvider.descriptor
        #expect(descriptor.id == ProviderID("power-bi"))
        #expect(descriptor.optionsMember == "powerBI")
        let capabilities = descriptor.capabilities
        #expect(capabilities.progress)
        #expect(!capabilities.cancel && !capabilities.listing && !capabilities.reconcile && !capabilities.batchObserve)
        #expect(!capabilities.resubmitIsHarmless && !capabilities.multipleFiles && !capabilities.rangeDownload)
        #expect(!capabilities.delegatedOnly)
        #expect(capabilities.minimumPollInterval == .seconds(5))
        #expect(capabilities.downloadLifetime == .seconds(86_400))
        #expect(capabilities.formats.count == 10)
        #expect(descriptor.retirement == nil)
    }

    /// An object of the options: where it is in the schema, and options with one unknown member in it.
    struct Place: Sendable, CustomTestStringConvertible {
        var pointer: String
        var steps: [String]
        var swagger: String?
        /// What the swagger has otherwise.
        var added: Set<String> = []
        var removed: Set<String> = []

        var testDescription: String { pointer }
    }

    static let places = [
        Place(pointer: "", steps: [], swagger: "ExportReportRequest", added: ["groupId", "reportId", "reportType"]),
        Place(
            pointer: "/powerBIReportConfiguration",
            steps: ["powerBIReportConfiguration"],
            swagger: "PowerBIReportExportConfiguration"
        ),
        Place(
            pointer: "/powerBIReportConfiguration/settings",
            steps: ["powerBIReportConfiguration", "settings"],
            swagger: "ExportReportSettings"
        ),
        Place(
            pointer: "/powerBIReportConfiguration/pages/0",
            steps: ["powerBIReportConfiguration", "pages", "0"],
            swagger: "ExportReportPage"
        ),
        Place(
            pointer: "/powerBIReportConfiguration/defaultBookmark",
            steps: ["powerBIReportConfiguration", "defaultBookmark"],
            swagger: "PageBookmark"
        ),
        Place(
            pointer: "/powerBIReportConfiguration/reportLevelFilters/0",
            steps: ["powerBIReportConfiguration", "reportLevelFilters", "0"],
            swagger: "ExportFilter"
        ),
        Place(
            pointer: "/powerBIReportConfiguration/identities/0",
            steps: ["powerBIReportConfiguration", "identities", "0"],
            swagger: "EffectiveIdentity",
            removed: ["reports"]
        ),
        Place(
            pointer: "/paginatedReportConfiguration",
            steps: ["paginatedReportConfiguration"],
            swagger: "PaginatedReportExportConfiguration",
            added: ["locale"]
        ),
        Place(
            pointer: "/paginatedReportConfiguration/parameterValues/0",
            steps: ["paginatedReportConfiguration", "parameterValues", "0"],
            swagger: "ParameterValue"
        ),
        Place(
            pointer: "/paginatedReportConfiguration/identities/0",
            steps: ["paginatedReportConfiguration", "identities", "0"],
            swagger: "EffectiveIdentity"
        ),
        Place(
            pointer: "/paginatedReportConfiguration/identities/0/identityBlob",
            steps: ["paginatedReportConfiguration", "identities", "0", "identityBlob"],
            swagger: "IdentityBlob"
        ),
    ]

    @Test("schema, validation and Microsoft's schema know the same members", arguments: places)
    func members(place: Place) throws {
        var node = schema
        for step in place.steps {
            node = try #require(step == "0" ? node["items"] : node["properties"]?[step])
        }
        let described = Set(try #require(node["properties"]?.object).keys)
        #expect(node["additionalProperties"] == false)

        var probe: JSONValue = ["\u{E000}": 1]
        for step in place.steps.reversed() { probe = step == "0" ? [probe] : [step: probe] }
        let fault = try #require(faults(probe).first { $0.pointer == place.pointer + "/\u{E000}" })
        let known = try #require(fault.detail.split(separator: "known are ").last)
        #expect(Set(known.split(separator: ", ").map(String.init)) == described)

        let definition = try recordings.json("pbi-swagger-export-schema.json")[try #require(place.swagger)]
        let documented = Set(try #require(definition?["properties"]?.object).keys)
        #expect(documented.union(place.added).subtracting(place.removed) == described)
    }

    @Test("formatSettings is open and takes strings only")
    func formatSettings() {
        let settings = schema["properties"]?["paginatedReportConfiguration"]?["properties"]?["formatSettings"]
        #expect(settings?["additionalProperties"]?["type"] == "string")
    }

    @Test("the states are those of Microsoft's schema")
    func states() throws {
        let schema = try recordings.json("pbi-swagger-export-schema.json")
        let states = try #require(schema["Export"]?["properties"]?["status"]?["enum"]?.array)
        #expect(Set(states.compactMap { $0.string?.lowercased() }) == Set(PowerBIStatus.table.keys))
    }
}
