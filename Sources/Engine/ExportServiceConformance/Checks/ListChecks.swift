import Exports

extension ServiceCase {
    static let lists = [
        ServiceCase("a list has the exports that the viewer may see, newest first") { examination in
            let mine = [try await examination.create().export.id, try await examination.create().export.id]
            let others = try await examination.create(for: .bob).export.id
            func listed(_ viewer: Viewer) async throws -> [ExportID] {
                try await examination.service.exports(matching: ExportFilter(), for: viewer, before: nil, limit: 9)
                    .exports.map(\.id)
            }
            examination.expect(try await listed(.alice) == mine.sorted(by: >), "one's own, newest first")
            examination.expect(try await listed(.bob) == [others], "one's own only")
            examination.expect(try await listed(.auditor) == (mine + [others]).sorted(by: >), "all for who sees all")
        },
        ServiceCase("a list has no others, whatever the filter says") { examination in
            _ = try await examination.create()
            var filter = ExportFilter()
            filter.createdBy = Viewer.alice.id
            let page = try await examination.service.exports(matching: filter, for: .bob, before: nil, limit: 9)
            examination.expect(page.exports.isEmpty, "it is empty")
        },
        ServiceCase("a page ends where the next one begins") { examination in
            var ids: [ExportID] = []
            for _ in 0..<3 { ids.append(try await examination.create().export.id) }
            ids.sort(by: >)
            let service = examination.service
            let first = try await service.exports(matching: ExportFilter(), for: .alice, before: nil, limit: 2)
            examination.expect(first.exports.map(\.id) == Array(ids[..<2]), "it has as many as were asked for")
            examination.expect(first.hasMore && first.next == ids[1], "there is more")
            let second = try await service.exports(matching: ExportFilter(), for: .alice, before: first.next, limit: 2)
            examination.expect(second.exports.map(\.id) == [ids[2]], "the next one has the rest")
            examination.expect(!second.hasMore && second.next == nil, "that is all")
        },
        ServiceCase("a filter takes what matches") { examination in
            let ended = try await examination.create().export
            try await examination.end(ended.id, .succeeded(files: 1))
            func listed(_ change: (inout ExportFilter) -> Void) async throws -> [ExportID] {
                var filter = ExportFilter()
                change(&filter)
                return try await examination.service.exports(matching: filter, for: .alice, before: nil, limit: 9)
                    .exports.map(\.id)
            }
            let matching: [(inout ExportFilter) -> Void] = [
                { $0.status = .succeeded }, { $0.provider = ended.provider }, { $0.connection = ended.connection },
                { $0.createdAfter = ended.createdAt }, { $0.createdBefore = ended.createdAt + .milliseconds(1) },
            ]
            for change in matching { examination.expect(try await listed(change) == [ended.id], "it is taken") }
            let others: [(inout ExportFilter) -> Void] = [
                { $0.status = .failed }, { $0.provider = ProviderID("other") }, { $0.connection = "other" },
                { $0.createdAfter = ended.createdAt + .milliseconds(1) }, { $0.createdBefore = ended.createdAt },
            ]
            for change in others { examination.expect(try await listed(change).isEmpty, "it is left out") }
        },
    ]
}
