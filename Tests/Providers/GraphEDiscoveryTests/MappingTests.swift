import Exports
import Foundation
import GraphEDiscovery
import JSON
import ScriptedHost
import Testing

/// The page that says what becomes of each property of Microsoft's `caseExportOperation`, against Microsoft's own page
/// and against what the adapter does.
@Suite struct MappingTests {
    private struct Row {
        var property: String
        var ours: String?
        var note: String
    }

    private static func rows() throws -> [Row] {
        let page = URL(filePath: #filePath)
            .deletingLastPathComponent()
            .appending(path: "../../../Sources/Providers/GraphEDiscovery/Documentation.docc/Mapping-GraphEDiscovery.md")
        return try String(contentsOf: page, encoding: .utf8).split(separator: "\n")
            .filter { $0.hasPrefix("| `") }
            .map { line in
                let cells = line.split(separator: "|", omittingEmptySubsequences: false)
                    .map { $0.trimmingCharacters(in: .whitespaces) }
                try #require(cells.count == 5)
                let ours = cells[2].trimmingCharacters(in: ["`"])
                return Row(
                    property: cells[1].trimmingCharacters(in: ["`"]),
                    ours: ours == "—" ? nil : ours,
                    note: cells[3]
                )
            }
    }

    /// Everything that Microsoft's page names: its tables' first cells and the members of its JSON representation.
    private static func documented() throws -> Set<String> {
        let page = try Fixture.text("seed-caseExportOperation.md")
        let tables = page.split(separator: "\n").filter { $0.hasPrefix("|") && !$0.hasPrefix("|:") }
            .compactMap { $0.split(separator: "|").first.map(String.init) }
            .filter { !["Method", "Property", "Relationship"].contains($0) }
            .map { $0.hasPrefix("[") ? String($0.dropFirst().prefix { $0 != "]" }) : $0 }
        let json = try #require(page.split(separator: "``` json").last?.split(separator: "```").first)
        let members = try #require(JSONValue(parsing: Data(json.utf8)).object).keys.filter { !$0.hasPrefix("@") }
        return Set(tables).union(members)
    }

    @Test func thePageSpeaksOfEveryPropertyAndOfNothingElse() throws {
        let rows = try Self.rows()
        #expect(try Set(rows.map(\.property)) == Self.documented())
        #expect(try rows.count == Self.documented().count)
        for row in rows where row.ours == nil { #expect(row.note.count > 20, "\(row.property)") }
    }

    @Test func whatThePageSaysIsWhatHappens() async throws {
        let operation: JSONValue = [
            "id": "2ad2da7c7dbb404abfbbb28b7b6babd6", "action": "contentExport", "status": "partiallySucceeded",
            "createdDateTime": "2021-01-12T20:12:01.4443402Z", "completedDateTime": "2021-01-12T20:12:35.4818899Z",
            "percentProgress": 90, "createdBy": ["user": ["id": "u", "displayName": "eDiscovery admin"]],
            "resultInfo": ["code": 7, "subcode": 8, "message": "two items are missing"], "outputName": "Contoso",
            "description": "For the investigation [export-gateway:x]", "outputFolderId": "folder-1",
            "azureBlobContainer": "https://account.blob.core.windows.net/exports", "azureBlobToken": "sig=TRFQ",
            "exportOptions": "originalFiles, tags", "exportStructure": "pst",
        ]
        let options: JSONValue = [
            "caseId": .string(Workbench.caseID), "reviewSetId": .string(Workbench.reviewSetID),
            "outputName": "Contoso", "description": "For the investigation", "exportOptions": "originalFiles, tags",
            "exportStructure": "pst", "azureBlobContainer": "https://account.blob.core.windows.net/exports",
            "azureBlobToken": "sig=TRFQ",
        ]
        try await Workbench.run(.ediscovery) { bench async throws in
            let plan = try bench.provider.validate(options).plan
            bench.graph.script { _ in .json(operation) }
            let reference = Workbench.reference("2ad2da7c7dbb404abfbbb28b7b6babd6")
            let observed = try #require(
                await bench.provider.observe([reference], context: Workbench.context)[reference]
            )
            .get()
            let export: JSONValue = [
                "source": plan.source, "destination": .string(plan.destination ?? ""),
                "status": .string(observed.status.rawValue),
                "completedAt": .string(observed.completedAt?.description ?? ""),
                "percentComplete": .integer(Int64(observed.percentComplete ?? -1)),
                "upstream": ["id": .string(reference.id), "status": .string(observed.upstreamStatus)],
                "error": [
                    "upstream": [
                        "code": .string(observed.failure?.upstream?.code ?? ""),
                        "message": .string(observed.failure?.upstream?.message ?? ""),
                    ]
                ],
                "files": .array(observed.files.map { ["id": .string($0.id), "name": .string($0.name)] }),
            ]
            let expected: [String: JSONValue] = [
                "azureBlobContainer": "https://account.blob.core.windows.net/exports",
                "completedDateTime": "2021-01-12T20:12:35.481Z",
                "description": "For the investigation",
                "exportOptions": "originalFiles,tags",
                "exportStructure": "pst",
                "id": "2ad2da7c7dbb404abfbbb28b7b6babd6",
                "outputName": "Contoso",
                "percentProgress": 90,
                "resultInfo": ["code": "7/8", "message": "two items are missing"],
                "status": "partiallySucceeded",
                "reviewSet": .string(Workbench.reviewSetID),
                "getDownloadUrl": [["id": "1", "name": "Contoso.zip"]],
            ]
            for row in try Self.rows() {
                let shown = row.ours?.split(separator: ".").reduce(export as JSONValue?) { $0?[String($1)] }
                #expect(shown == expected[row.property], "\(row.property)")
            }
            #expect(!"\(export)".contains("TRFQ"))
        }
    }
}
