import Exports
import Foundation
import JSON
import Testing

@testable import MicrosoftSandbox

/// The article on the sandbox's switches names every kind, and every rule in it is one that the sandbox takes.
@Suite struct SwitchesArticleTests {
    private let article: [Substring]

    init() throws {
        let sources = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../../Sources")
        let file = sources.appending(path: "Sandbox/MicrosoftSandbox/Documentation.docc/Switches.md")
        article = try String(contentsOf: file, encoding: .utf8).split(separator: "\n")
    }

    @Test func everyKindIsInTheTable() throws {
        let begin = try #require(article.firstIndex(of: "## Kinds"))
        let end = try #require(article.firstIndex(of: "## Inputs of the faults that were found"))
        let named = article[begin..<end].filter { $0.hasPrefix("| `") }
            .compactMap { $0.split(separator: "`").dropFirst().first }
        #expect(Set(named.map(String.init)) == Set(SandboxFault.kinds))
        #expect(named.count == SandboxFault.kinds.count)
    }

    @Test func everyRuleIsTaken() {
        var rules = 0
        for text in article.flatMap({ $0.split(separator: "`") }) where text.hasPrefix(#"{"operation""#) {
            rules += 1
            guard let value = try? JSONValue(parsing: Data(text.utf8)) else {
                Issue.record("\(text) is no JSON")
                continue
            }
            if case .failure(let problem) = SandboxRule.parse(value) { Issue.record("\(text): \(problem.faults)") }
        }
        #expect(rules > 40)
    }

    /// The rows that an upstream causes; the others are about the process, its callers and its documents.
    @Test func everyRowOfAnUpstreamHasItsRules() {
        let rows = article.filter { $0.wholeMatch(of: /\| [A-E]\d+ \|.*`\{.*/) != nil }
            .compactMap { $0.split(separator: " ").dropFirst().first.map(String.init) }
        let wanted =
            (1...5).map { "A\($0)" } + (1...6).map { "B\($0)" } + ["D7", "D8"] + (1...11).map { "E\($0)" } + ["E13"]
        #expect(rows == wanted)
    }
}
