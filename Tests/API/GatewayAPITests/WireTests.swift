import Exports
import HTTPTypes
import Testing

@testable import GatewayAPI

@Suite struct RequestTargetTests {
    @Test(
        arguments: [
            ("/a/b?c=d", ["a", "b"], "c=d"), ("/", [""], nil), ("/a/", ["a", ""], nil), ("//a", ["", "a"], nil),
            ("/a%2Fb", ["a/b"], nil), ("/a?", ["a"], ""), ("https://x:1/a?b", ["a"], "b"), ("/a?b?c", ["a"], "b?c"),
        ] as [(String, [String], String?)]
    )
    func parses(text: String, segments: [String], query: String?) throws {
        let target = try #require(RequestTarget(text))
        #expect(target.segments.map(\.decoded) == segments)
        #expect(target.query.map { String($0) } == query)
    }
}

@Suite struct PreferenceTests {
    @Test(
        arguments: [
            ("wait=5", 5), ("wait=\"7\"", 7), ("WAIT=5, wait=9", 5), ("wait=61", 60), ("wait=99999999999999999999", 60),
            ("respond-async;wait=3", nil), ("wait", nil),
        ] as [(String, Int?)]
    )
    func readsTheWait(field: String, seconds: Int?) {
        #expect(Preference.wait(in: field, most: .seconds(60)) == seconds.map { .seconds($0) })
    }
}

@Suite struct CursorTests {
    @Test func sealsEachFilterApart() throws {
        var random = SystemRandomNumberGenerator()
        let id = ExportID(at: Timestamp(milliseconds: 1_780_000_000_000), random: &random)
        let cursor = Cursor(key: SecretBytes(Array(repeating: 1, count: 32)))
        var filters = [ExportFilter()]
        func add(_ change: (inout ExportFilter) -> Void) {
            var filter = ExportFilter()
            change(&filter)
            filters.append(filter)
        }
        add { $0.provider = ProviderID("running") }
        add { $0.status = .running }
        add { $0.connection = "running" }
        add { $0.createdBy = "running" }
        add { $0.createdAfter = Timestamp(milliseconds: 1) }
        add { $0.createdBefore = Timestamp(milliseconds: 1) }
        #expect(Set(filters.map { cursor.seal(id, in: .exports($0)) }).count == filters.count)
        for filter in filters {
            let text = cursor.seal(id, in: .exports(filter))
            #expect(try cursor.open(text, in: .exports(filter)) == id)
            for other in filters where other != filter {
                #expect(throws: GatewayError.self) { try cursor.open(text, in: .exports(other)) }
            }
        }
    }
}
