import Exports
import Foundation
import JSON
import Testing
import Yams

@testable import GatewayServer

/// What `openapi.yaml` says of each provider's options is what the provider says of itself.
@Suite struct ContractTests {
    @Test(arguments: Adapter.all.indices)
    func optionsHaveTheSameMembers(index: Int) throws {
        let descriptor = Adapter.all[index].descriptor
        let contract = try Contract()
        let reference = contract.schemas.node("CreateExportRequest")["properties"]?[descriptor.optionsMember]
        let documented = contract.members(of: try #require(reference))
        let declared = Self.members(of: descriptor.optionsSchema)
        #expect(!documented.isEmpty)
        #expect(documented.subtracting(declared) == [], "in openapi.yaml only")
        #expect(declared.subtracting(documented).sorted() == [], "in the provider's schema only")
    }

    @Test func everyProviderCanBeAskedFor() throws {
        let contract = try Contract()
        let provider = contract.schemas.node("CreateExportRequest")["properties"]?["provider"]
        let names = provider?["enum"]?.array().compactMap(\.string) ?? []
        #expect(Set(names) == Set(Adapter.all.map(\.descriptor.id.rawValue)))
    }

    @Test func everyProviderIsInAnswersAndFilters() throws {
        let contract = try Contract()
        let ids = Set(Adapter.all.map(\.descriptor.id.rawValue))
        for schema in ["Export", "ExportChange"] {
            let shown = contract.schemas.node(schema)["properties"]?["provider"]?["x-extensible-enum"]
            #expect(Set(shown?.array().compactMap(\.string) ?? []) == ids, "\(schema)")
        }
        #expect(contract.choices(of: "provider") == ids)
        #expect(contract.choices(of: "status") == Set(ExportStatus.allCases.map(\.rawValue)))
    }

    @Test func everyProblemCodeIsListed() throws {
        let code = try Contract().schemas.node("Problem")["properties"]?["code"]
        let names = code?["x-extensible-enum"]?.array().compactMap(\.string) ?? []
        #expect(Set(names) == Set(ProblemCode.allCases.map(\.rawValue)))
    }

    /// The paths of all members below a JSON Schema, such as `settings/locale`.
    private static func members(of schema: JSONValue, below path: String = "") -> Set<String> {
        var found: Set<String> = []
        for (name, value) in schema["properties"]?.object ?? [:] {
            found.insert(path + name)
            found.formUnion(members(of: value, below: path + name + "/"))
        }
        for branch in schema["oneOf"]?.array ?? [] { found.formUnion(members(of: branch, below: path)) }
        if let items = schema["items"] { found.formUnion(members(of: items, below: path)) }
        return found
    }
}

/// `openapi.yaml`, as far as its schemas go.
private struct Contract {
    let schemas: Node
    private let parameters: Node.Mapping

    init() throws {
        let file = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../../openapi.yaml")
        let root = try #require(try Yams.compose(yaml: String(contentsOf: file, encoding: .utf8)))
        schemas = try #require(root["components"]?["schemas"])
        parameters = try #require(root["components"]?["parameters"]?.mapping)
    }

    /// The values that a parameter of the query may have.
    func choices(of parameter: String) -> Set<String> {
        let found = parameters.values.first { $0["name"]?.string == parameter && $0["in"]?.string == "query" }
        return Set(found?["schema"]?["enum"]?.array().compactMap(\.string) ?? [])
    }

    func members(of schema: Node, below path: String = "") -> Set<String> {
        let target = schema["$ref"]?.string.flatMap { schemas[String($0.split(separator: "/").last ?? "")] } ?? schema
        var found: Set<String> = []
        for (name, value) in target["properties"]?.mapping.map(Array.init) ?? [] {
            found.insert(path + (name.string ?? ""))
            found.formUnion(members(of: value, below: path + (name.string ?? "") + "/"))
        }
        for branch in target["allOf"]?.array() ?? [] { found.formUnion(members(of: branch, below: path)) }
        if let items = target["items"] { found.formUnion(members(of: items, below: path)) }
        return found
    }
}

extension Node {
    fileprivate func node(_ key: String) -> Node { self[key] ?? Node("") }
}
