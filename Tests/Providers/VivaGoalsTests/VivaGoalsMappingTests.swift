import Exports
import Foundation
import JSON
import ScriptedHost
import Testing

@testable import VivaGoals

/// The table in the documentation against the page that it speaks of: no property is left out, none is invented.
@Suite struct VivaGoalsMappingTests {
    /// The first cell of each row that begins with a name in backquotes.
    private func names(in lines: some Sequence<Substring>) -> [String] {
        lines.compactMap { line in
            let cells = line.split(separator: "|").map { $0.filter { $0 != " " } }
            guard line.hasPrefix("|"), let first = cells.first, first.hasPrefix("`") else { return nil }
            return first.filter { $0 != "`" }
        }
    }

    @Test("every property of the page has a row, and every row is on the page")
    func complete() throws {
        let page = try recordings.text("exportjob-resource-page.txt").split(separator: "\n")
        let table = try packageFile("Sources/Providers/VivaGoals/Documentation.docc/Mapping-VivaGoals.md")
            .split(separator: "\n")

        let described = names(in: page)
        #expect(described.count == 4)
        let start = try #require(page.firstIndex { $0 == "```json" })
        let representation = try JSONValue(
            parsing: Data(page[(start + 1)...].prefix { $0 != "```" }.joined(separator: "\n").utf8)
        )
        let members = try #require(representation.object).keys
        #expect(members.count == 7)

        let mapped = names(in: table)
        #expect(Set(mapped).count == mapped.count)
        #expect(Set(mapped) == Set(described).union(members))
    }
}
