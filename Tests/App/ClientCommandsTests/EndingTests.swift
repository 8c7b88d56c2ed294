import Foundation
import GatewayClient
import JSON
import Testing

@testable import ClientCommands

@Suite struct EndingTests {
    @Test(arguments: [
        ("succeeded", Ending.done), ("partiallySucceeded", .exportIncomplete), ("failed", .exportFailed),
        ("canceled", .exportCanceled), ("expired", .exportExpired), ("unknown", .exportUnknown), ("later", .done),
    ])
    func eachEndOfAnExportHasItsCode(status: String, ending: Ending) throws {
        let export = try #require(GatewayExport(["id": "e", "status": .string(status), "completedAt": "x"]))
        #expect(Ending(of: export) == ending)
    }

    @Test func aStatusThatIsAddedLaterIsAFailureWhereItHasAnError() throws {
        let export = try #require(
            GatewayExport(["id": "e", "status": "later", "error": ["code": "x", "detail": "y"]])
        )
        #expect(Ending(of: export) == .exportFailed)
    }

    @Test(arguments: [
        (GatewayClientError.unreachable(""), Ending.unreachable), (.untrusted(""), .untrusted),
        (.silent(""), .timedOut),
        (.unexpectedAnswer(""), .noGateway), (.fileIncomplete(""), .fileIncomplete), (.fileWrong(""), .fileWrong),
        (.fileUnverified(""), .fileUnverified), (.fileSystem(""), .fileSystem),
    ])
    func eachErrorHasItsCode(error: GatewayClientError, ending: Ending) {
        #expect(Ending(of: error) == ending)
    }

    @Test(
        arguments: [
            ([:], Ending.exportEmpty), (["tracking": "background"], .conflict),
            (["destination": "https://storage.example.com"], .conflict), (["files": [["id": "1"]]], nil),
        ] as [([String: JSONValue], Ending?)]
    )
    func aSuccessWithoutFilesIsNoneToWhoeverWantsThem(members: [String: JSONValue], ending: Ending?) throws {
        let ended: [String: JSONValue] = ["id": "e", "status": "succeeded", "completedAt": "x"]
        let export = try #require(GatewayExport(.object(ended.merging(members) { $1 })))
        #expect(Ending.withoutFiles(export)?.ending == ending)
    }

    /// The table of the article has each code once, and no other.
    @Test func theArticleListsEveryCode() throws {
        let article = URL(filePath: #filePath).deletingLastPathComponent()
            .appending(path: "../../../Sources/App/GatewayServer/Documentation.docc/Command-Line.md")
        let text = try String(contentsOf: article, encoding: .utf8)
        let section = try #require(
            text.components(separatedBy: "\n## Exit codes\n").last?.components(separatedBy: "\n## ").first
        )
        let codes = section.matches(of: /\n\| ([0-9]+) \|/).compactMap { Int32($0.1) }
        #expect(codes == Ending.allCases.map(\.rawValue))
    }
}
