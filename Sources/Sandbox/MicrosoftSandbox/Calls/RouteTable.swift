/// Which call a method and a path mean: a table of patterns, read from the top.
///
/// A pattern's segments are literals (`a|b` for alternatives, told apart without regard to case) or `{names}`.
struct RouteTable: Sendable {
    private struct Route: Sendable {
        enum Segment: Sendable {
            case literal([String])
            case capture(String)
        }

        var method: String
        var segments: [Segment]
        var operation: Operation
    }

    enum Match: Equatable {
        case found(Operation, [String: String])
        case wrongMethod(allow: [String])
        case notFound
    }

    private var routes: [Route] = []

    /// Adds `"METHOD path/to/{thing}"`.
    mutating func add(_ pattern: String, _ operation: Operation) {
        let halves = pattern.split(separator: " ")
        let segments = halves[1].split(separator: "/")
            .map { part -> Route.Segment in
                part.hasPrefix("{")
                    ? .capture(String(part.dropFirst().dropLast()))
                    : .literal(part.lowercased().split(separator: "|").map(String.init))
            }
        routes.append(Route(method: String(halves[0]), segments: segments, operation: operation))
    }

    func match(method: String, path: RequestPath) -> Match {
        var allow: [String] = []
        let lowered = path.segments.map { $0.lowercased() }
        for route in routes where route.segments.count == lowered.count {
            guard let captures = capture(route, path.segments, lowered) else { continue }
            if route.method == method { return .found(route.operation, captures) }
            if !allow.contains(route.method) { allow.append(route.method) }
        }
        return allow.isEmpty ? .notFound : .wrongMethod(allow: allow)
    }

    private func capture(_ route: Route, _ segments: [String], _ lowered: [String]) -> [String: String]? {
        var captures: [String: String] = [:]
        for (index, segment) in route.segments.enumerated() {
            switch segment {
            case .literal(let alternatives):
                guard alternatives.contains(lowered[index]) else { return nil }
            case .capture(let name):
                captures[name] = segments[index]
            }
        }
        return captures
    }
}

extension RouteTable {
    /// Graph, Power BI and Entra ID (`Upstream-GraphEDiscovery, Calls`, `Upstream-VivaGoals, Calls`, `Upstream-PowerBI, Calls`,
    /// `Upstream-Intune, Calls`, `Upstream-EntraID, Token endpoint` and `Upstream-EntraID, Managed identities`).
    static let api: RouteTable = {
        var table = RouteTable()
        table.addIdentity()
        table.addCompliance()
        table.addSecurity()
        table.addGoals()
        table.addPowerBI()
        table.addIntune()
        return table
    }()

    static let proxy: RouteTable = {
        var table = RouteTable()
        table.add("GET ediscovery/api/proxy/{file}", .proxyDownload)
        return table
    }()

    static let blob: RouteTable = {
        var table = RouteTable()
        table.add("GET {container}/{file}", .blobDownload)
        return table
    }()

    private mutating func addIdentity() {
        add("POST {tenant}/oauth2/v2.0/token", .token)
        add("GET {tenant}/v2.0/.well-known/openid-configuration", .configuration)
        add("GET {tenant}/.well-known/openid-configuration", .configurationV1)
        add("GET {tenant}/discovery/v2.0/keys", .keys)
        add("GET common/discovery/instance", .instance)
        add("GET {tenant}/discovery/keys", .keysV1)
        add("GET metadata/identity/oauth2/token", .imds)
        add("GET msi/token", .appService)
    }

    private mutating func addCompliance() {
        let root = "{version}/compliance/ediscovery/cases"
        let cast = "microsoft.graph.ediscovery.caseExportOperation|microsoft.graph.caseExportOperation"
        add("GET \(root)", .complianceCases)
        add("GET \(root)/{case}", .complianceCase)
        add("GET \(root)/{case}/reviewSets", .complianceReviewSets)
        add("GET \(root)/{case}/reviewSets/{reviewSet}", .complianceReviewSet)
        add("POST \(root)/{case}/reviewSets/{reviewSet}/export|microsoft.graph.ediscovery.export", .complianceExport)
        add("GET \(root)/{case}/operations", .complianceOperations)
        add("GET \(root)/{case}/operations/\(cast)", .complianceOperations)
        add("GET \(root)/{case}/operations/{operation}", .complianceOperation)
        add("GET \(root)/{case}/operations/{operation}/\(cast)", .complianceOperation)
        add("GET \(root)/{case}/operations/{operation}/\(cast)/getDownloadUrl", .complianceDownloadURL)
    }

    private mutating func addSecurity() {
        let root = "{version}/security/cases/ediscoveryCases"
        func action(_ name: String) -> String { "\(name)|microsoft.graph.security.\(name)" }
        let cast = "microsoft.graph.security.ediscoveryExportOperation"
        add("GET \(root)", .securityCases)
        add("GET \(root)/{case}", .securityCase)
        add("GET \(root)/{case}/reviewSets", .securityReviewSets)
        add("GET \(root)/{case}/reviewSets/{reviewSet}", .securityReviewSet)
        add("POST \(root)/{case}/reviewSets/{reviewSet}/\(action("export"))", .securityExport)
        add("POST \(root)/{case}/reviewSets/{reviewSet}/queries/{query}/\(action("export"))", .securityQueryExport)
        add("GET \(root)/{case}/searches", .securitySearches)
        add("GET \(root)/{case}/searches/{search}", .securitySearch)
        add("POST \(root)/{case}/searches/{search}/\(action("exportReport"))", .securityExportReport)
        add("POST \(root)/{case}/searches/{search}/\(action("exportResult"))", .securityExportResult)
        add("POST \(root)/{case}/searches/{search}/\(action("estimateStatistics"))", .securityEstimate)
        add("GET \(root)/{case}/searches/{search}/lastEstimateStatisticsOperation", .securityLastEstimate)
        add("GET \(root)/{case}/operations", .securityOperations)
        add("GET \(root)/{case}/operations/{operation}", .securityOperation)
        add("GET \(root)/{case}/operations/{operation}/\(cast)/getDownloadUrl", .securityDownloadURL)
    }

    private mutating func addGoals() {
        let root = "beta/employeeExperience/goals/exportJobs"
        add("POST \(root)", .goalsStart)
        add("GET \(root)", .goalsList)
        add("GET \(root)/{job}", .goalsGet)
        add("GET \(root)/{job}/content", .goalsContent)
    }

    private mutating func addIntune() {
        let root = "v1.0|beta/deviceManagement/reports/exportJobs"
        add("POST \(root)", .intuneStart)
        add("GET \(root)", .intuneList)
        add("GET \(root)/{job}", .intuneStatus)
    }

    private mutating func addPowerBI() {
        add("GET v1.0/myorg/groups", .powerBIGroups)
        add("GET v1.0/myorg/capacities", .powerBICapacities)
        for root in ["v1.0/myorg/groups/{group}/reports", "v1.0/myorg/reports"] {
            add("GET \(root)", .powerBIReports)
            add("GET \(root)/{report}", .powerBIReport)
            add("GET \(root)/{report}/pages", .powerBIPages)
            add("GET \(root)/{report}/datasources", .powerBIDatasources)
            add("POST \(root)/{report}/ExportTo", .powerBIStart)
            add("GET \(root)/{report}/exports/{export}", .powerBIStatus)
            add("GET \(root)/{report}/exports/{export}/file", .powerBIFile)
        }
    }
}
