import Exports
import JSON

/// The reports of the seeded workspace.
struct PowerBIReport: Sendable {
    enum Kind: String, Sendable {
        case powerBIReport = "PowerBIReport"
        case paginatedReport = "PaginatedReport"
    }

    var id: String
    var name: String
    var kind: Kind
    var pages: [(name: String, displayName: String)]

    static let all = [
        PowerBIReport(
            id: SandboxSeed.powerBIReportID,
            name: "SalesMarketing",
            kind: .powerBIReport,
            pages: [("ReportSection", "Regional Sales Analysis"), ("ReportSection1", "Geographic Analysis")]
        ),
        PowerBIReport(
            id: SandboxSeed.paginatedReportID,
            name: "Quarterly Ledger",
            kind: .paginatedReport,
            pages: []
        ),
    ]

    static func with(id: String) -> PowerBIReport? { all.first { $0.id == id.lowercased() } }

    /// The report as `GET reports/{id}` tells it. Paginated reports have no dataset (`Upstream-PowerBI, Calls`).
    var json: JSONValue {
        var members: [String: JSONValue] = [
            "id": .string(id), "name": .string(name), "reportType": .string(kind.rawValue),
            "webUrl": .string("https://app.powerbi.com/groups/\(SandboxSeed.groupID)/reports/\(id)"),
            "embedUrl": .string(
                "https://app.powerbi.com/reportEmbed?reportId=\(id)&groupId=\(SandboxSeed.groupID)"
            ),
        ]
        if kind == .powerBIReport { members["datasetId"] = .string(SandboxSeed.datasetID) }
        return .object(members)
    }
}

/// What an export request asks for, as far as the answer depends on it. Unknown members are ignored, as upstream does.
struct PowerBIRequest {
    struct Problem: Error { var message: String }

    var format: FileSpec.Format
    /// Pages and visuals, the units of progress.
    var steps: Int

    static func read(_ body: JSONValue?, report: PowerBIReport) -> Result<PowerBIRequest, Problem> {
        guard let body, let format = body["format"]?.string?.uppercased() else {
            return .failure(Problem(message: "The request body or its format is missing or not valid"))
        }
        let pages = body["powerBIReportConfiguration"]?["pages"]?.array ?? []
        let names = pages.compactMap { $0["pageName"]?.string }
        switch report.kind {
        case .powerBIReport:
            guard names.count == pages.count, names.allSatisfy({ name in report.pages.contains { $0.name == name } })
            else { return .failure(Problem(message: "Export report was called with an unknown page")) }
            guard pages.count <= 50 else {
                return .failure(Problem(message: "Export report was called with more than 50 pages"))
            }
            let steps = pages.isEmpty ? report.pages.count : pages.count
            switch format {
            case "PDF": return .success(PowerBIRequest(format: .pdf, steps: steps))
            case "PPTX": return .success(PowerBIRequest(format: .pptx, steps: steps))
            // There is one image for each page. Several images are sent in an archive.
            case "PNG": return .success(PowerBIRequest(format: steps > 1 ? .zip : .png, steps: steps))
            default: return .failure(unsupported)
            }
        case .paginatedReport:
            let settings = body["paginatedReportConfiguration"]?["formatSettings"]
            guard let format = paginated(format, output: settings?["OutputFormat"]?.string) else {
                return .failure(unsupported)
            }
            return .success(PowerBIRequest(format: format, steps: 1))
        }
    }

    private static let unsupported = Problem(message: "Export report was called with an unsupported file format")

    private static func paginated(_ format: String, output: String?) -> FileSpec.Format? {
        switch format {
        case "PDF", "ACCESSIBLEPDF": .pdf
        case "PPTX", "XLSX", "DOCX", "CSV", "XML", "MHTML": FileSpec.Format(rawValue: format.lowercased())
        case "IMAGE":
            ["TIFF", "BMP", "EMF", "GIF", "JPEG", "PNG"].contains(output?.uppercased() ?? "TIFF")
                ? FileSpec.Format(rawValue: output?.lowercased() ?? "tiff") : nil
        default: nil
        }
    }
}
