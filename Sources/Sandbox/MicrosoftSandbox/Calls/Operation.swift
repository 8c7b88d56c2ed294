/// Every call that the sandbox knows, by the name that rules and the account use.
enum Operation: String, Sendable, CaseIterable {
    case token = "entra.token"
    case configuration = "entra.configuration"
    case configurationV1 = "entra.configurationV1"
    case keys = "entra.keys"
    case keysV1 = "entra.keysV1"
    case instance = "entra.instance"

    case imds = "managed-identity.imds"
    case appService = "managed-identity.appService"

    case complianceCases = "compliance.cases"
    case complianceCase = "compliance.case"
    case complianceReviewSets = "compliance.reviewSets"
    case complianceReviewSet = "compliance.reviewSet"
    case complianceExport = "compliance.export"
    case complianceOperations = "compliance.operations"
    case complianceOperation = "compliance.operation"
    case complianceDownloadURL = "compliance.getDownloadUrl"

    case securityCases = "security.cases"
    case securityCase = "security.case"
    case securityReviewSets = "security.reviewSets"
    case securityReviewSet = "security.reviewSet"
    case securitySearches = "security.searches"
    case securitySearch = "security.search"
    case securityExport = "security.export"
    case securityQueryExport = "security.queryExport"
    case securityExportReport = "security.exportReport"
    case securityExportResult = "security.exportResult"
    case securityEstimate = "security.estimateStatistics"
    case securityLastEstimate = "security.lastEstimateStatisticsOperation"
    case securityOperations = "security.operations"
    case securityOperation = "security.operation"
    case securityDownloadURL = "security.getDownloadUrl"

    case goalsStart = "goals.start"
    case goalsList = "goals.list"
    case goalsGet = "goals.get"
    case goalsContent = "goals.content"

    case powerBIStart = "power-bi.start"
    case powerBIStatus = "power-bi.status"
    case powerBIFile = "power-bi.file"
    case powerBIGroups = "power-bi.groups"
    case powerBIReports = "power-bi.reports"
    case powerBIReport = "power-bi.report"
    case powerBIPages = "power-bi.pages"
    case powerBIDatasources = "power-bi.datasources"
    case powerBICapacities = "power-bi.capacities"

    case intuneStart = "intune.start"
    case intuneStatus = "intune.status"
    case intuneList = "intune.list"

    case proxyDownload = "download.proxy"
    case blobDownload = "download.blob"

    case unknown = "unknown.unknown"
}

extension Operation {
    /// What a call does, whichever service it belongs to. Rules may name it in place of the operation's own name.
    enum Role: String {
        case token
        case start
        case status
        case list
        case link
        case download
        case read
    }

    var role: Role {
        switch self {
        case .token, .imds, .appService: .token
        case .complianceExport, .securityExport, .securityQueryExport, .securityExportReport, .securityExportResult,
            .securityEstimate, .goalsStart, .powerBIStart, .intuneStart:
            .start
        case .complianceOperation, .securityOperation, .securityLastEstimate, .goalsGet, .powerBIStatus,
            .intuneStatus:
            .status
        case .complianceOperations, .securityOperations, .goalsList, .intuneList: .list
        case .complianceDownloadURL, .securityDownloadURL: .link
        case .goalsContent, .powerBIFile, .proxyDownload, .blobDownload: .download
        default: .read
        }
    }

    /// The service as the account names it.
    var service: String {
        switch family {
        case "entra": "entra-id"
        case "compliance", "security": "graph-ediscovery"
        case "goals": "viva-goals"
        default: String(family)
        }
    }

    private var family: Substring { rawValue.prefix { $0 != "." } }

    /// The names that a rule may use before the dot.
    private var families: [String] {
        switch family {
        case "compliance", "security", "download": [String(family), "graph", "graph-ediscovery"]
        case "goals": ["goals", "viva-goals"]
        case "entra": ["entra", "entra-id"]
        default: [String(family)]
        }
    }

    /// Whether a rule's pattern means this operation: `*`, the whole name, or `family.suffix` where the family is a
    /// service (`graph` covers both eDiscovery dialects and their download hosts) or `*`, and the suffix is a role, an
    /// operation's own suffix or `*`. Without regard to case.
    func matches(pattern: String) -> Bool {
        let wanted = pattern.lowercased()
        if wanted == "*" || wanted == rawValue.lowercased() { return true }
        guard let dot = wanted.firstIndex(of: ".") else { return families.contains(wanted) }
        let (head, tail) = (String(wanted[..<dot]), String(wanted[wanted.index(after: dot)...]))
        let suffix = rawValue.lowercased().dropFirst(family.count + 1)
        return (head == "*" || families.contains(head)) && (tail == "*" || tail == suffix || tail == role.rawValue)
    }

    /// Whether any operation at all is meant by a pattern.
    static func isKnown(pattern: String) -> Bool { allCases.contains { $0.matches(pattern: pattern) } }
}
