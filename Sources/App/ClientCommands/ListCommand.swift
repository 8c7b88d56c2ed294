import ArgumentParser
import GatewayClient
import JSON

/// How much of a list is printed.
struct ListOptions: ParsableArguments, Sendable {
    @Option(help: "The most rows that are printed, 1 to 10000.")
    var limit = 50
    @Option(help: "Goes on behind the rows that an earlier call printed, with its nextCursor.")
    var cursor: String?

    func validate() throws {
        guard (1...10_000).contains(limit) else { throw ValidationError("--limit must be 1 to 10000") }
    }

    /// Pages up to the limit, and the cursor of what follows.
    func collect(
        _ page: (_ limit: Int, _ cursor: String?) async throws -> GatewayPage
    ) async throws -> (rows: [JSONValue], next: String?) {
        var (rows, next): ([JSONValue], String?) = ([], cursor)
        repeat {
            let found = try await page(min(200, limit - rows.count), next)
            rows += found.value
            next = found.nextCursor
        } while next != nil && rows.count < limit
        return (rows, next)
    }

    /// Prints what was collected; `row` makes a table's row of an element.
    static func print(
        _ list: (rows: [JSONValue], next: String?),
        _ format: OutputFormat,
        head: [String],
        row: (JSONValue) -> [String]
    ) throws {
        switch format {
        case .json:
            var document: [String: JSONValue] = ["value": .array(list.rows)]
            document["nextCursor"] = list.next.map { .string($0) }
            try Output.print(.object(document))
        case .table:
            try Output.print(Output.table(head, list.rows.map(row)))
            if let next = list.next { try Output.print("\nmore: --cursor \(next)") }
        }
    }
}

struct ListCommand: AsyncParsableCommand, Sendable {
    static let configuration = CommandConfiguration(commandName: "list", abstract: "Lists exports, newest first.")

    @OptionGroup var client: ClientOptions
    @OptionGroup var format: OutputOptions
    @OptionGroup var list: ListOptions
    @Option(help: "Only exports of this provider.")
    var provider: String?
    @Option(help: "Only exports with this status.")
    var status: String?
    @Option(help: "Only exports on this connection.")
    var connection: String?
    @Option(help: "Only exports created at this time or later, such as 2026-07-01T00:00:00Z.")
    var createdAfter: String?
    @Option(help: "Only exports created before this time.")
    var createdBefore: String?

    func run() async throws {
        let given = [
            ("provider", provider), ("status", status), ("connection", connection), ("createdAfter", createdAfter),
            ("createdBefore", createdBefore),
        ]
        let filters = given.compactMap { name, value in value.map { (name: name, value: $0) } }
        try await ClientSession.run(client) { session in
            let found = try await list.collect {
                try await session.client.exports(filters: filters, limit: $0, cursor: $1)
            }
            let head = ["id", "created", "provider", "status", "files", "name"]
            try ListOptions.print(found, format.output, head: head) { json in
                let export = GatewayExport(json)
                return [
                    export?.id ?? "", export?.createdAt ?? "", export?.provider ?? "", export?.status ?? "",
                    "\(export?.files.count ?? 0)", export?.name ?? "",
                ]
            }
            return .done
        }
    }
}

struct DeliveriesCommand: AsyncParsableCommand, Sendable {
    static let configuration = CommandConfiguration(
        commandName: "deliveries",
        abstract: "Lists who has had which file of an export, when, and whether whole; oldest first."
    )

    @OptionGroup var client: ClientOptions
    @OptionGroup var format: OutputOptions
    @OptionGroup var list: ListOptions
    @Argument(help: "The export's id.")
    var id: String

    func run() async throws {
        try await ClientSession.run(client) { session in
            let found = try await list.collect { try await session.client.deliveries(of: id, limit: $0, cursor: $1) }
            let head = ["started", "caller", "file", "outcome", "bytes", "sha256"]
            try ListOptions.print(found, format.output, head: head) { row in
                ["startedAt", "caller", "fileId", "outcome", "fileBytes", "sha256"]
                    .map { name in
                        row[name]?.string ?? row[name]?.integer.map { "\($0)" } ?? ""
                    }
            }
            return .done
        }
    }
}
