import Exports
import Foundation
import JSON
import ScriptedHost
import Testing
import UpstreamHTTP

@testable import PowerBI

/// The table in the documentation against the page that it speaks of: no property is left out, none is invented.
@Suite struct PowerBIMappingTests {
    /// The rows of each table, by the heading above it.
    private func tables() throws -> [String: [(property: String, ours: String)]] {
        let text = try packageFile("Sources/Providers/PowerBI/Documentation.docc/Mapping-PowerBI.md")
        var tables: [String: [(property: String, ours: String)]] = [:]
        var heading = ""
        for line in text.split(separator: "\n") {
            if line.hasPrefix("## ") { heading = String(line.dropFirst(3)) }
            let cells = line.split(separator: "|", omittingEmptySubsequences: false)
                .map { $0.split(separator: " ").joined(separator: " ") }
            guard cells.count >= 4, cells[1].hasPrefix("`") else { continue }
            tables[heading, default: []].append((cells[1].filter { $0 != "`" }, cells[2]))
        }
        return tables
    }

    /// The lines of the page between two lines of it, blank ones left out.
    private func section(_ lines: [Substring], after start: String, until end: String?) throws -> [Substring] {
        let first = try #require(lines.lastIndex { $0 == start })
        let rest = lines[(first + 1)...]
        return Array(rest.prefix { line in end.map { line != $0 } ?? true })
    }

    @Test("every property and state of the page has a row, and every row is on the page")
    func complete() throws {
        let page = try recordings.text("export-to-file-status-page.txt")
        let lines = page.split(separator: "\n")
        let tables = try tables()

        // Each property is one word on a line, its type follows.
        let definition = try section(
            lines,
            after: "An object describing the details and current state of an export to file job",
            until: "The current state of the export to file job"
        )
        let properties = zip(definition, definition.dropFirst())
            .filter { $1.hasPrefix("string") || $1.hasPrefix("integer") || $1 == "ExportState" }
            .map { String($0.0) }
        #expect(properties.count == 10)
        #expect(Set(try #require(tables["Export"]).map(\.property)) == Set(properties))

        let body = try section(lines, after: "{", until: "}").joined(separator: "\n")
        let sample = try JSONValue(parsing: "{\(body)}".utf8)
        #expect(Set(try #require(sample.object).keys) == Set(properties))

        let parameters = try section(lines, after: "Name In Required Type Description", until: "Responses")
            .filter { $0.hasSuffix("Id") }.map(String.init)
        #expect(Set(try #require(tables["Where an export is"]).map(\.property)) == Set(parameters))

        let states = try section(lines, after: "Value Description", until: nil)
            .filter { !$0.contains(" ") }.map(String.init)
        #expect(states.count == 5)
        let rows = try #require(tables["ExportState"])
        #expect(Set(rows.map(\.property)) == Set(states))
        for row in rows {
            #expect(row.ours == "`\(PowerBIStatus.status(row.property).rawValue)`")
        }
        #expect(tables.count == 3)
    }
}
