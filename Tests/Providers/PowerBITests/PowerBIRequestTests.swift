import Exports
import JSON
import ScriptedHost
import Testing
import UpstreamHTTP

@testable import PowerBI

@Suite struct PowerBIRequestTests {
    @Test(
        "each documented request passes and is sent as it was",
        arguments: [
            "pbi-request-paginated-identity.json", "pbi-request-paginated-identityblob.json",
            "pbi-request-paginated-image-jpeg.json", "pbi-request-paginated-parameters.json",
            "pbi-request-paginated-pptx-pages.json", "pbi-request-powerbi-full-constructed.json",
        ]
    )
    func samples(name: String) throws {
        let sample = try recordings.json(name)
        let validated = try PowerBIRequest.validate(options(sample.object ?? [:]))
        #expect(try PowerBIWire.requestBody(of: validated.plan, secrets: validated.secrets) == sample)
    }

    @Test("a token is taken out of what is stored, and put back where it was")
    func secrets() throws {
        let sample = try recordings.json("pbi-request-paginated-identityblob.json")
        let validated = try PowerBIRequest.validate(options(sample.object ?? [:]))
        let pointer = "/paginatedReportConfiguration/identities/0/identityBlob/value"
        #expect(validated.secrets == [pointer: Secret("eyJ0eX....full access token")])
        #expect(validated.plan.needsSecrets)
        let written = String(decoding: validated.plan.source.encoded(), as: UTF8.self)
        #expect(!written.contains("eyJ0eX"))
        #expect(written.contains("identityBlob"))
        let error = #expect(throws: ProviderError.self) {
            try PowerBIWire.requestBody(of: validated.plan, secrets: [:])
        }
        #expect(error?.problem == .secretLost)
        #expect(error?.code == .permanent)
    }

    @Test("the token of the second identity goes to the second identity")
    func secretOfSecond() throws {
        let identities: JSONValue = [
            ["username": "a@contoso.com", "identityBlob": ["value": "first-token"]],
            ["username": "b@contoso.com", "identityBlob": ["value": "second-token"]],
        ]
        let validated = try PowerBIRequest.validate(
            options(["format": "pdf", "powerBIReportConfiguration": ["identities": identities]])
        )
        let body = try PowerBIWire.requestBody(of: validated.plan, secrets: validated.secrets)
        #expect(body["powerBIReportConfiguration"]?["identities"] == identities)
    }

    @Test("the normal form: upper-case format, lower-case ids, the kind of report where it can be told")
    func normalForm() throws {
        let plan = try PowerBIRequest.validate(["reportId": .string(reportID.uppercased()), "format": "xlsx"]).plan
        #expect(
            plan.source
                == ["reportId": .string(reportID), "format": "XLSX", "reportType": "PaginatedReport"]
        )
        #expect(!plan.needsSecrets)
        #expect(plan.suggestedName.contains(reportID))
        let undecided = try PowerBIRequest.validate(options(["format": "PDF"])).plan.source
        #expect(undecided["reportType"] == nil)
        let png = try PowerBIRequest.validate(options(["format": "png"])).plan.source
        #expect(png["reportType"] == "PowerBIReport")
        let configured = try PowerBIRequest.validate(
            options(["format": "PDF", "paginatedReportConfiguration": [:]])
        )
        #expect(configured.plan.source["reportType"] == "PaginatedReport")
    }

    @Test(
        "data formats of a Power BI report are refused with the formats that are possible instead",
        arguments: ["CSV", "XLSX"]
    )
    func dataOfPowerBIReport(format: String) {
        for members in [
            ["reportType": "PowerBIReport"], ["powerBIReportConfiguration": ["pages": [["pageName": "ReportSection"]]]],
        ] as [[String: JSONValue]] {
            let found = faults(options(members.merging(["format": .string(format)]) { $1 }))
            #expect(found.map(\.pointer) == ["/format"])
            #expect(found.first?.detail.contains("PPTX, PDF, PNG") == true)
            #expect(found.first?.detail.contains("paginated reports only") == true)
        }
    }

    @Test("every format of either kind of report, and no other")
    func formatTable() throws {
        for format in PowerBIFormat.all {
            for type in PowerBIReportType.allCases {
                let request = options(["format": .string(format.name), "reportType": .string(type.rawValue)])
                if format.reportTypes.contains(type) {
                    #expect(try PowerBIRequest.validate(request).plan.source["format"]?.string == format.name)
                } else {
                    #expect(faults(request).map(\.pointer) == ["/format"])
                }
            }
        }
        #expect(PowerBIFormat.names(for: .powerBIReport) == ["PPTX", "PDF", "PNG"])
        #expect(!PowerBIFormat.names(for: .paginatedReport).contains("PNG"))
    }

    @Test("the formats are those of Microsoft's schema")
    func formatsOfSchema() throws {
        let schema = try recordings.json("pbi-swagger-export-schema.json")
        let formats = schema["ExportReportRequest"]?["properties"]?["format"]?["enum"]
        #expect(formats == .array(PowerBIFormat.all.map { .string($0.name) }))
    }

    @Test("the settings of a format pass as strings, and those of another format do not")
    func formatSettings() throws {
        for format in PowerBIFormat.all where format.reportTypes.contains(.paginatedReport) {
            var settings: [String: JSONValue] = [:]
            for name in format.settings { settings[name] = .string(PowerBIFormat.settingValues[name]?.last ?? "1") }
            let request = options([
                "format": .string(format.name),
                "paginatedReportConfiguration": ["formatSettings": .object(settings)],
            ])
            let source = try PowerBIRequest.validate(request).plan.source
            #expect(source["paginatedReportConfiguration"]?["formatSettings"] == .object(settings))
        }
        let image = options([
            "format": "IMAGE",
            "paginatedReportConfiguration": ["formatSettings": ["OutputFormat": "png", "DpiX": "96"]],
        ])
        let settings = try PowerBIRequest.validate(image).plan.source["paginatedReportConfiguration"]?["formatSettings"]
        #expect(settings == ["OutputFormat": "PNG", "DpiX": "96"])
    }
}
