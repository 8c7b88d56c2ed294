import Exports
import JSON

/// A JSON Schema, as far as it tells which members an object may have.
struct OptionsSchema {
    private let schema: JSONValue

    init(_ schema: JSONValue) {
        self.schema = schema
    }

    /// The schema itself and the branches of its unions.
    private var branches: [JSONValue] {
        [schema]
            + ["oneOf", "anyOf", "allOf"].flatMap { schema[$0]?.array ?? [] }
            .flatMap { OptionsSchema($0).branches }
    }

    /// Whether members are named at all: an object without names takes any.
    var namesMembers: Bool { branches.contains { $0["properties"] != nil } }

    /// The schemas of one member, one for each branch that has it.
    func member(_ name: String) -> [OptionsSchema] {
        branches.compactMap { $0["properties"]?[name] }.map(OptionsSchema.init)
    }

    /// The schemas of an array's elements.
    var elements: [OptionsSchema] { branches.compactMap { $0["items"] }.map(OptionsSchema.init) }

    /// The pointers of members that no branch describes.
    func undescribed(in value: JSONValue, at pointer: String = "") -> [String] {
        switch value {
        case .object(let members) where namesMembers:
            members.sorted { $0.key < $1.key }
                .flatMap { name, value -> [String] in
                    let step = pointer + JSONPointer.step(name)
                    let schemas = member(name)
                    return schemas.isEmpty
                        ? [step] : Self.fewest(schemas.map { $0.undescribed(in: value, at: step) })
                }
        case .array(let values):
            values.enumerated()
                .flatMap { index, value in
                    Self.fewest(elements.map { $0.undescribed(in: value, at: "\(pointer)/\(index)") })
                }
        default: []
        }
    }

    /// The pointers of all objects in `value` whose members are named.
    func closedObjects(in value: JSONValue, at pointer: String = "") -> [String] {
        switch value {
        case .object(let members) where namesMembers:
            [pointer]
                + members.sorted { $0.key < $1.key }
                .flatMap { name, value in
                    member(name).first?.closedObjects(in: value, at: pointer + JSONPointer.step(name)) ?? []
                }
        case .array(let values):
            values.enumerated()
                .flatMap { index, value in elements.first?.closedObjects(in: value, at: "\(pointer)/\(index)") ?? [] }
        default: []
        }
    }

    /// Every `enum` anywhere in the schema.
    var lists: [Set<JSONValue>] { Self.lists(in: schema) }

    private static func lists(in value: JSONValue) -> [Set<JSONValue>] {
        switch value {
        case .object(let members):
            (members["enum"]?.array.map { [Set($0)] } ?? []) + members.values.flatMap { lists(in: $0) }
        case .array(let values): values.flatMap { lists(in: $0) }
        default: []
        }
    }

    private static func fewest(_ answers: [[String]]) -> [String] { answers.min { $0.count < $1.count } ?? [] }
}

extension JSONValue {
    /// This value with `value` put at a pointer whose parents exist; nil takes the member out.
    func setting(_ value: JSONValue?, at pointer: String) -> JSONValue {
        guard !pointer.isEmpty else { return value ?? .null }
        let step = pointer.dropFirst().prefix { $0 != "/" }
        let rest = String(pointer.dropFirst(step.count + 1))
        let name = step.split(separator: "~1", omittingEmptySubsequences: false).joined(separator: "/")
            .split(separator: "~0", omittingEmptySubsequences: false).joined(separator: "~")
        switch self {
        case .object(var members):
            if rest.isEmpty { members[name] = value } else { members[name] = members[name]?.setting(value, at: rest) }
            return .object(members)
        case .array(var values):
            guard let index = Int(name), values.indices.contains(index) else { return self }
            if !rest.isEmpty {
                values[index] = values[index].setting(value, at: rest)
            } else if let value {
                values[index] = value
            } else {
                values.remove(at: index)
            }
            return .array(values)
        default: return self
        }
    }
}
