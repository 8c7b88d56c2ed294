import Exports
import HTTPTypes
import Hummingbird
import JSON

/// Purview eDiscovery in Graph: the retired dialect below `compliance/ediscovery` and the living one below
/// `security/cases/ediscoveryCases` (`Upstream-GraphEDiscovery, Two dialects`).
struct GraphEDiscoveryService: SandboxService {
    let world: World
    let call: Call

    var answers: GraphAnswer { GraphAnswer(world: world, call: call) }

    /// Whether the call speaks the retired dialect.
    var isLegacy: Bool { call.operation.name.hasPrefix("compliance.") }

    func answer() -> Response {
        let version = call["version"].lowercased()
        guard version == "beta" || (version == "v1.0" && !isLegacy) else {
            return answers.notFound("Resource not found for the request.")
        }
        guard case .good(let grant) = world.tokens.judge(call.bearer, for: .graph, at: call.now) else {
            return answers.unauthorized
        }
        guard !grant.isDelegated || grant.isDelegated(for: "eDiscovery") else {
            return answers.error(.forbidden, code: "Forbidden", "Missing scope: eDiscovery.ReadWrite.All.")
        }
        if !call["case"].isEmpty, call["case"].lowercased() != SandboxSeed.caseID {
            return answers.notFound("The case was not found.")
        }
        return answerInCase()
    }

    private func answerInCase() -> Response {
        switch call.operation {
        case .complianceCases, .securityCases, .complianceCase, .securityCase, .complianceReviewSets,
            .complianceReviewSet, .securityReviewSets, .securityReviewSet, .securitySearches, .securitySearch:
            readPlace()
        case .complianceExport: start(.legacyExport)
        case .securityExport: start(.reviewSetExport)
        case .securityQueryExport: start(.queryExport)
        case .securityExportReport: start(.searchExportReport)
        case .securityExportResult: start(.searchExportResult)
        case .securityEstimate: start(.estimate)
        case .complianceOperations, .securityOperations: listOperations()
        case .complianceOperation, .securityOperation: getOperation()
        case .securityLastEstimate: lastEstimate()
        case .complianceDownloadURL: downloadURL()
        // Does not exist any more since 30 April 2023 (`Upstream-GraphEDiscovery, Two dialects`).
        case .securityDownloadURL:
            answers.badRequest("Specified HTTP method is not allowed for the request target.")
        default: answers.notFound("Resource not found for the request.")
        }
    }

    // MARK: Cases, review sets, searches

    private func readPlace() -> Response {
        switch call.operation {
        case .complianceCases: collection("cases", [entity(SandboxSeed.caseID, "Sandbox case")])
        case .securityCases: collection("security/cases/ediscoveryCases", [entity(SandboxSeed.caseID, "Sandbox case")])
        case .complianceCase, .securityCase: answers.json(entity(SandboxSeed.caseID, "Sandbox case"))
        case .complianceReviewSets, .securityReviewSets:
            collection("\(root)/reviewSets", [entity(SandboxSeed.reviewSetID, "Sandbox review set")])
        case .complianceReviewSet, .securityReviewSet:
            one(call["reviewSet"], SandboxSeed.reviewSetID, "Sandbox review set")
        case .securitySearches: collection("\(root)/searches", [entity(SandboxSeed.searchID, "Sandbox search")])
        default: one(call["search"], SandboxSeed.searchID, "Sandbox search")
        }
    }

    /// The case in `@odata.context`.
    var root: String {
        let path = isLegacy ? "compliance/ediscovery/cases" : "security/cases/ediscoveryCases"
        return "\(path)('\(SandboxSeed.caseID)')"
    }

    func context(_ fragment: String) -> JSONValue {
        .string("\(world.base(.api, for: call))/\(call["version"].lowercased())/$metadata#\(fragment)")
    }

    private func collection(_ fragment: String, _ values: [JSONValue]) -> Response {
        answers.json([
            "@odata.context": context(fragment), "@odata.count": .integer(Int64(values.count)),
            "value": .array(values),
        ])
    }

    private func one(_ id: String, _ known: String, _ name: String) -> Response {
        id.lowercased() == known ? answers.json(entity(known, name)) : answers.notFound("The resource was not found.")
    }

    private func entity(_ id: String, _ name: String) -> JSONValue {
        [
            "id": .string(id), "displayName": .string(name), "description": "", "status": "active",
            "createdDateTime": "2022-05-19T23:30:41.23Z",
        ]
    }
}
