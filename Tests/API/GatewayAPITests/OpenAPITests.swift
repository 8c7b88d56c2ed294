import Audit
import Exports
import HTTPTypes
import Testing
import Yams

@testable import GatewayAPI

/// `openapi.yaml` and the server say the same, both ways.
@Suite struct OpenAPITests {
    private static let methods = ["get", "head", "post", "put", "patch", "delete", "options", "trace"]

    private func document() async throws -> [String: Any] {
        let answer = try await TestGateway().call(.get, "/openapi.yaml")
        #expect(answer.status == 200)
        #expect(answer.headers[.contentType] == "application/yaml")
        return try #require(try Yams.load(yaml: answer.body) as? [String: Any])
    }

    private func map(_ value: Any?) -> [String: Any] { value as? [String: Any] ?? [:] }

    @Test func everyRouteIsDocumentedAndNothingElse() async throws {
        let paths = map(try await document()["paths"])
        var documented: Set<String> = []
        for (path, item) in paths {
            for method in Self.methods where map(item)[method] != nil {
                documented.insert("\(method.uppercased()) \(path)")
            }
        }
        #expect(documented == Set(RouteTable.routes.map { "\($0.method.rawValue) \($0.pattern)" }))
        #expect(Set(RouteTable.routes.map(\.operation)) == Set(Operation.allCases))
        #expect(RouteTable.routes.count == Operation.allCases.count)
    }

    @Test(arguments: Operation.allCases) func everyStatusIsDocumentedAndNothingElse(operation: Operation) async throws {
        let route = try #require(RouteTable.routes.first { $0.operation == operation })
        let item = map(map(try await document()["paths"])[route.pattern])
        let description = map(item[route.method.rawValue.lowercased()])
        #expect(description["operationId"] as? String == operation.rawValue)
        let responses = Set(map(description["responses"]).keys)
        #expect(responses == Set(route.statuses.map { String($0) }).union(["default"]))
        // Where the document has no security of its own, the one of the whole document holds.
        #expect((description["security"] == nil) == route.needsCaller)
        let shared = map(map(try await document()["components"])["parameters"])
        let parameters = (description["parameters"] as? [[String: Any]] ?? [])
            .compactMap { parameter -> String? in
                let name = (parameter["$ref"] as? String)?.split(separator: "/").last
                return (name.map { map(shared[String($0)]) } ?? parameter)["in"] as? String
            }
        #expect(parameters.contains("query") == route.takesQuery)
    }

    @Test func theEnumsAreOurs() async throws {
        let document = try await document()
        let schemas = map(map(document["components"])["schemas"])
        func extensible(_ schema: String, _ property: String) -> [String] {
            map(map(map(schemas[schema])["properties"])[property])["x-extensible-enum"] as? [String] ?? []
        }
        #expect(extensible("Problem", "code") == ProblemCode.allCases.map(\.rawValue))
        #expect(extensible("Export", "status") == ExportStatus.allCases.map(\.rawValue))
        #expect(extensible("AuditRow", "action") == AuditAction.allCases.map(\.rawValue))
        #expect(extensible("AuditRow", "outcome") == AuditOutcome.allCases.map(\.rawValue))
        #expect(extensible("ExportChange", "status") == ExportStatus.allCases.map(\.rawValue))
        #expect(extensible("Export", "tracking") == Tracking.allCases.map(\.rawValue))
        #expect(extensible("Delivery", "kind") == Delivery.Kind.allCases.map(\.rawValue))
        #expect(extensible("Delivery", "outcome") == Delivery.Outcome.allCases.map(\.rawValue))
        #expect(extensible("ExportFile", "digestSource") == ExportFile.Source.allCases.map(\.rawValue))
        #expect(extensible("ExportFile", "sizeSource") == ExportFile.Source.allCases.map(\.rawValue))
        #expect(extensible("ExportFile", "digestState") == ExportFile.State.allCases.map(\.rawValue))
        #expect(extensible("ExportFile", "sizeState") == ExportFile.State.allCases.map(\.rawValue))
        #expect(extensible("ExportOperation", "status") == OperationDocument.Status.allCases.map(\.rawValue))
        let all = Set(ProblemCode.allCases.map(\.rawValue))
        #expect(Set(extensible("ExportFailure", "code")).isSubset(of: all))
        #expect(Set(extensible("ExportNotice", "code")).isSubset(of: all))
    }

    @Test func itIsBothVersionsAtOnce() async throws {
        let text = try await TestGateway().call(.get, "/openapi.yaml").body
        #expect(text.hasPrefix("openapi: 3.0.3\n"))
        #expect(!text.contains("nullable"))
        let schemas = map(map(try await document()["components"])["schemas"])
        for (name, schema) in schemas {
            for word in ["oneOf", "anyOf", "allOf"] {
                #expect(map(schema)[word] == nil, "\(name) has \(word)")
            }
        }
    }

    /// Every property has a meaning, a bound and an example; every request object is closed.
    @Test func everyFieldIsBounded() async throws {
        let schemas = map(map(try await document()["components"])["schemas"])
        let requests = Set(
            schemas.keys.filter { name in
                name == "CreateExportRequest" || name.hasPrefix("PowerBI") || name.hasSuffix("Options")
                    || ["PaginatedReportConfiguration", "ParameterValue", "EffectiveIdentity", "IdentityBlob"]
                        .contains(name)
            }
        )
        for (name, schema) in schemas {
            if requests.contains(name) {
                #expect(map(schema)["additionalProperties"] as? Bool == false, "\(name) is open")
            }
            for (property, value) in map(map(schema)["properties"]) {
                let field = map(value)
                if field["$ref"] != nil { continue }
                let place = "\(name).\(property)"
                #expect((field["description"] as? String)?.isEmpty == false, "\(place) has no description")
                switch field["type"] as? String {
                case "string":
                    #expect(field["maxLength"] != nil, "\(place) has no maxLength")
                    #expect(field["example"] != nil, "\(place) has no example")
                case "integer", "number":
                    #expect(field["minimum"] != nil && field["maximum"] != nil, "\(place) has no limits")
                    #expect(field["example"] != nil, "\(place) has no example")
                case "array":
                    #expect(field["maxItems"] != nil, "\(place) has no maxItems")
                case "boolean":
                    #expect(field["example"] != nil, "\(place) has no example")
                default:
                    break
                }
            }
        }
    }
}
