/// The calls of both dialects (`Upstream-GraphEDiscovery, Calls`).
extension GraphEDiscoveryService {
    static let name = "graph-ediscovery"
    static let permissions = [TokenBook.Audience.graph: ["eDiscovery.ReadWrite.All"]]
    static let secretMembers = ["azureBlobToken"]
    static let routes = complianceRoutes + securityRoutes

    private static let complianceRoutes: [RouteTable.Route] = {
        let root = "{version}/compliance/ediscovery/cases"
        let cast = "microsoft.graph.ediscovery.caseExportOperation|microsoft.graph.caseExportOperation"
        let export = "export|microsoft.graph.ediscovery.export"
        return [
            .init("GET \(root)", .complianceCases),
            .init("GET \(root)/{case}", .complianceCase),
            .init("GET \(root)/{case}/reviewSets", .complianceReviewSets),
            .init("GET \(root)/{case}/reviewSets/{reviewSet}", .complianceReviewSet),
            .init("POST \(root)/{case}/reviewSets/{reviewSet}/\(export)", .complianceExport),
            .init("GET \(root)/{case}/operations", .complianceOperations),
            .init("GET \(root)/{case}/operations/\(cast)", .complianceOperations),
            .init("GET \(root)/{case}/operations/{operation}", .complianceOperation),
            .init("GET \(root)/{case}/operations/{operation}/\(cast)", .complianceOperation),
            .init("GET \(root)/{case}/operations/{operation}/\(cast)/getDownloadUrl", .complianceDownloadURL),
        ]
    }()

    private static let securityRoutes: [RouteTable.Route] = {
        let root = "{version}/security/cases/ediscoveryCases"
        func action(_ name: String) -> String { "\(name)|microsoft.graph.security.\(name)" }
        let cast = "microsoft.graph.security.ediscoveryExportOperation"
        let queries = "\(root)/{case}/reviewSets/{reviewSet}/queries"
        return [
            .init("GET \(root)", .securityCases),
            .init("GET \(root)/{case}", .securityCase),
            .init("GET \(root)/{case}/reviewSets", .securityReviewSets),
            .init("GET \(root)/{case}/reviewSets/{reviewSet}", .securityReviewSet),
            .init("POST \(root)/{case}/reviewSets/{reviewSet}/\(action("export"))", .securityExport),
            .init("POST \(queries)/{query}/\(action("export"))", .securityQueryExport),
            .init("GET \(root)/{case}/searches", .securitySearches),
            .init("GET \(root)/{case}/searches/{search}", .securitySearch),
            .init("POST \(root)/{case}/searches/{search}/\(action("exportReport"))", .securityExportReport),
            .init("POST \(root)/{case}/searches/{search}/\(action("exportResult"))", .securityExportResult),
            .init("POST \(root)/{case}/searches/{search}/\(action("estimateStatistics"))", .securityEstimate),
            .init("GET \(root)/{case}/searches/{search}/lastEstimateStatisticsOperation", .securityLastEstimate),
            .init("GET \(root)/{case}/operations", .securityOperations),
            .init("GET \(root)/{case}/operations/{operation}", .securityOperation),
            .init("GET \(root)/{case}/operations/{operation}/\(cast)/getDownloadUrl", .securityDownloadURL),
        ]
    }()

    static func storageLink(_ call: Call) -> (any StorageLink)? { BlobLink(call) }

    var jobSpokenOf: Job? {
        switch call.operation {
        case .complianceOperation, .complianceDownloadURL, .securityOperation, .securityDownloadURL:
            world.jobs.job(call["operation"])
        default: nil
        }
    }
}

extension Operation {
    static let complianceCases = compliance("cases")
    static let complianceCase = compliance("case")
    static let complianceReviewSets = compliance("reviewSets")
    static let complianceReviewSet = compliance("reviewSet")
    static let complianceExport = compliance("export", .start)
    static let complianceOperations = compliance("operations", .list)
    static let complianceOperation = compliance("operation", .status)
    static let complianceDownloadURL = compliance("getDownloadUrl", .link)

    static let securityCases = security("cases")
    static let securityCase = security("case")
    static let securityReviewSets = security("reviewSets")
    static let securityReviewSet = security("reviewSet")
    static let securitySearches = security("searches")
    static let securitySearch = security("search")
    static let securityExport = security("export", .start)
    static let securityQueryExport = security("queryExport", .start)
    static let securityExportReport = security("exportReport", .start)
    static let securityExportResult = security("exportResult", .start)
    static let securityEstimate = security("estimateStatistics", .start)
    static let securityLastEstimate = security("lastEstimateStatisticsOperation", .status)
    static let securityOperations = security("operations", .list)
    static let securityOperation = security("operation", .status)
    static let securityDownloadURL = security("getDownloadUrl", .link)

    private static func compliance(_ call: String, _ role: Role = .read) -> Operation {
        Operation("compliance." + call, role, service: GraphEDiscoveryService.name, aliases: aliases)
    }

    private static func security(_ call: String, _ role: Role = .read) -> Operation {
        Operation("security." + call, role, service: GraphEDiscoveryService.name, aliases: aliases)
    }

    private static var aliases: [String] { ["graph", GraphEDiscoveryService.name] }
}

extension Job.Kind {
    static let legacyExport = eDiscovery("legacyExport")
    static let reviewSetExport = eDiscovery("reviewSetExport")
    static let queryExport = eDiscovery("queryExport")
    static let searchExportReport = eDiscovery("searchExportReport")
    static let searchExportResult = eDiscovery("searchExportResult")
    static let estimate = eDiscovery("estimate")

    private static func eDiscovery(_ name: String) -> Self {
        Self(
            service: GraphEDiscoveryService.name,
            name: name,
            words: .init(partiallySucceeded: "partiallySucceeded", submissionFailed: "submissionFailed")
        )
    }
}
