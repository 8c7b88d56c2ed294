import ArgumentParser
import GatewayClient
import JSON

struct ProvidersCommand: AsyncParsableCommand, Sendable {
    static let configuration = CommandConfiguration(
        commandName: "providers",
        abstract: "Lists what can be exported; with an id, shows the options of one provider."
    )

    @OptionGroup var client: ClientOptions
    @OptionGroup var format: OutputOptions
    @Argument(help: "A provider's id.")
    var id: String?

    func run() async throws {
        try await ClientSession.run(client) { session in
            if let id {
                try show(try await session.client.provider(id))
            } else {
                try show(try await session.client.providers())
            }
            return .done
        }
    }

    private func show(_ page: GatewayPage) throws {
        try ListOptions.print((page.value, nil), format.output, head: ["id", "title", "connections", "formats"]) {
            row in
            [
                row["id"]?.string ?? "", row["title"]?.string ?? "", Self.list(row["connections"]),
                Self.list(row["capabilities"]?["formats"]),
            ]
        }
    }

    private func show(_ provider: JSONValue) throws {
        guard format.output == .table else { return try Output.print(provider) }
        let schema = provider["optionsSchema"]
        let required = Set((schema?["required"]?.array ?? []).compactMap(\.string))
        let rows = (schema?["properties"]?.object ?? [:])
            .sorted { $0.key < $1.key }
            .map { name, property in
                [
                    name, required.contains(name) ? "yes" : "", Self.type(property),
                    property["description"]?.string ?? "",
                ]
            }
        try Output.print(
            Output.details([
                ("id", provider["id"]?.string), ("title", provider["title"]?.string),
                ("connections", Self.list(provider["connections"])),
            ]) + "\n\n" + Output.table(["option", "required", "type", "description"], rows)
        )
    }

    private static func list(_ json: JSONValue?) -> String {
        (json?.array ?? []).compactMap(\.string).joined(separator: ", ")
    }

    private static func type(_ property: JSONValue) -> String {
        let values = (property["enum"]?.array ?? []).compactMap(\.string)
        return values.isEmpty ? property["type"]?.string ?? "" : values.joined(separator: " | ")
    }
}
