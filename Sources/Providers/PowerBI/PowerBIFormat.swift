/// The two kinds of report that one API exports, as `reportType` spells them (`Upstream-PowerBI, Calls`).
enum PowerBIReportType: String, CaseIterable {
    case powerBIReport = "PowerBIReport"
    case paginatedReport = "PaginatedReport"

    static let names = allCases.map(\.rawValue)

    /// The member of the options that configures this kind.
    var configuration: String {
        switch self {
        case .powerBIReport: "powerBIReportConfiguration"
        case .paginatedReport: "paginatedReportConfiguration"
        }
    }

    /// What it is called in a sentence.
    var noun: String {
        switch self {
        case .powerBIReport: "Power BI report"
        case .paginatedReport: "paginated report"
        }
    }
}

/// One row of the table of formats (`Upstream-PowerBI, Formats`).
struct PowerBIFormat: Sendable {
    /// The value of `format`, upper case.
    var name: String
    var reportTypes: [PowerBIReportType]
    /// The extension of the file, where the format alone tells it.
    var fileExtension: String?
    /// The keys of `formatSettings` that are documented for it.
    var settings: [String] = []
    /// Whether Microsoft's list of its keys is longer than the one known here, so that other keys must pass.
    var hasFurtherSettings = false

    /// Every format, in the order of Microsoft's enum.
    static let all: [PowerBIFormat] = [
        PowerBIFormat(
            name: "PPTX",
            reportTypes: [.powerBIReport, .paginatedReport],
            fileExtension: ".pptx",
            settings: page + ["UseReportPageSize"]
        ),
        PowerBIFormat(
            name: "PDF",
            reportTypes: [.powerBIReport, .paginatedReport],
            fileExtension: ".pdf",
            settings: pdf
        ),
        // One page is a .png file, several pages are a .zip file.
        PowerBIFormat(name: "PNG", reportTypes: [.powerBIReport]),
        PowerBIFormat(
            name: "IMAGE",
            reportTypes: [.paginatedReport],
            settings: ["OutputFormat", "StartPage", "EndPage"],
            hasFurtherSettings: true
        ),
        PowerBIFormat(
            name: "XLSX",
            reportTypes: [.paginatedReport],
            fileExtension: ".xlsx",
            settings: ["OmitDocumentMap", "OmitFormulas", "SimplePageHeaders"]
        ),
        PowerBIFormat(
            name: "DOCX",
            reportTypes: [.paginatedReport],
            fileExtension: ".docx",
            settings: ["AutoFit", "ExpandToggles", "FixedPageWidth", "OmitHyperlinks", "OmitDrillthroughs"]
        ),
        PowerBIFormat(
            name: "CSV",
            reportTypes: [.paginatedReport],
            fileExtension: ".csv",
            settings: [
                "Encoding", "ExcelMode", "FieldDelimiter", "NoHeader", "Qualifier", "RecordDelimiter",
                "SuppressLineBreaks", "UseFormattedValues",
            ]
        ),
        PowerBIFormat(
            name: "XML",
            reportTypes: [.paginatedReport],
            fileExtension: ".xml",
            settings: ["UseFormattedValues", "Indented", "OmitNamespace", "OmitSchema", "Encoding", "Schema"]
        ),
        PowerBIFormat(
            name: "MHTML",
            reportTypes: [.paginatedReport],
            fileExtension: ".mhtml",
            hasFurtherSettings: true
        ),
        PowerBIFormat(
            name: "ACCESSIBLEPDF",
            reportTypes: [.paginatedReport],
            fileExtension: ".pdf",
            settings: pdf
        ),
    ]

    private static let page = [
        "Columns", "ColumnSpacing", "DpiX", "DpiY", "EndPage", "MarginBottom", "MarginLeft", "MarginRight", "MarginTop",
        "PageHeight", "PageWidth", "StartPage",
    ]

    private static let pdf = page + ["AccessiblePDF", "HumanReadablePDF"]

    /// The values of a setting that has a closed list of them.
    static let settingValues = [
        "OutputFormat": ["TIFF", "BMP", "EMF", "GIF", "JPEG", "PNG"],
        "AutoFit": ["True", "False", "Never", "Default"],
    ]

    static let names = all.map(\.name)

    /// The format of this name.
    static func named(_ name: String) -> PowerBIFormat? { all.first { $0.name == name } }

    /// The names of the formats that a kind of report can have.
    static func names(for type: PowerBIReportType) -> [String] {
        all.filter { $0.reportTypes.contains(type) }.map(\.name)
    }
}

/// The media types of the files, by their extension.
enum PowerBIFileType {
    static let contentTypes = [
        ".pdf": "application/pdf",
        ".pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
        ".png": "image/png",
        ".zip": "application/zip",
        ".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        ".docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        ".csv": "text/csv",
        ".xml": "text/xml",
        ".mhtml": "multipart/related",
        ".tif": "image/tiff",
        ".tiff": "image/tiff",
        ".bmp": "image/bmp",
        ".emf": "image/emf",
        ".gif": "image/gif",
        ".jpg": "image/jpeg",
        ".jpeg": "image/jpeg",
    ]
}
