import Exports
import JSON
import ScriptedHost
import Testing

@testable import Intune

/// What is declared, and the table in the documentation against the members of a job.
@Suite struct IntuneMappingTests {
    /// Microsoft's `deviceManagementExportJob` in v1.0.
    private static let members: Set<String> = [
        "id", "reportName", "filter", "select", "format", "snapshotId", "localizationType", "status", "url",
        "requestDateTime", "expirationDateTime",
    ]

    private func names(in table: some Sequence<Substring>) -> [String] {
        table.compactMap { line in
            let cells = line.split(separator: "|").map { $0.filter { $0 != " " } }
            guard line.hasPrefix("|"), let first = cells.first, first.hasPrefix("`") else { return nil }
            return first.filter { $0 != "`" }
        }
    }

    @Test("every member of a job and every word of its status has a row, and there are no others")
    func complete() throws {
        let table = try packageFile("Sources/Providers/Intune/Documentation.docc/Mapping-Intune.md")
            .split(separator: "\n")
        let mapped = names(in: table)
        #expect(Set(mapped).count == mapped.count)
        let words = Set(mapped).subtracting(Self.members)
        #expect(Set(mapped).isSuperset(of: Self.members))
        #expect(Set(words.map { $0.lowercased() }) == Set(IntuneStatus.table.keys))
    }

    @Test("what is declared")
    func capabilities() {
        let descriptor = IntuneProvider.descriptor
        #expect(descriptor.id == ProviderID("intune") && descriptor.optionsMember == "intune")
        let capabilities = descriptor.capabilities
        #expect(!capabilities.cancel && !capabilities.listing && !capabilities.reconcile && !capabilities.batchObserve)
        #expect(!capabilities.resubmitIsHarmless && !capabilities.multipleFiles && !capabilities.delegatedOnly)
        #expect(capabilities.rangeDownload && !capabilities.progress)
        #expect(capabilities.requestBudget == RequestBudget(48, per: .seconds(60)))
        #expect(capabilities.downloadLifetime == nil)
        #expect(capabilities.formats == ["csv", "json"])
    }

    @Test("schema and validation know the same members")
    func schema() throws {
        let schema = IntuneProvider.descriptor.optionsSchema
        let described = Set(try #require(schema["properties"]?.object).keys)
        #expect(described.isSubset(of: Self.members))
        do {
            _ = try IntuneRequest.validate(["reportName": "Devices", "\u{E000}": 1])
            Issue.record("an unknown member passed")
        } catch {
            let known = try #require(error.faults.first?.detail.split(separator: "known are ").last)
            #expect(Set(known.split(separator: ", ").map(String.init)) == described)
        }
    }
}
