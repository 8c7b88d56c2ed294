import Exports
import Synchronization

extension ServiceCase {
    static let changes = [
        ServiceCase("each change has its place, and whoever follows is told") { examination in
            let service = examination.service
            let told = Mutex(0)
            let other = Mutex(0)
            let observation = service.onChanges { told.withLock { $0 += 1 } }
            let another = service.onChanges { other.withLock { $0 += 1 } }
            examination.expect(
                try await service.changeRange() == ChangeRange(first: nil, last: 0),
                "there is none at first"
            )
            let id = try await examination.create().export.id
            examination.expect(told.withLock { $0 } > 0, "whoever follows is told of a new export")
            examination.expect(other.withLock { $0 } > 0, "all who follow are told")
            another.end()
            let (before, last) = (told.withLock { $0 }, other.withLock { $0 })
            try await examination.end(id, .succeeded(files: 1))
            examination.expect(told.withLock { $0 } > before, "whoever follows is told of its end")
            examination.expect(other.withLock { $0 } == last, "whoever has ended it is not told any more")
            observation.end()
            let revision = try await examination.seen(id).revision
            let page = try await service.changes(after: 0, limit: 100)
            examination.expect(
                page.changes.map(\.revision) == Array(1...revision),
                "there is one for each revision, in order"
            )
            examination.expect(
                page.changes.allSatisfy { $0.exportID == id && $0.createdBy == "alice" },
                "each names the export"
            )
            examination.expect(page.changes.last?.isFinal == true, "the last one is the end")
            let places = page.changes.map(\.position)
            examination.expect(zip(places, places.dropFirst()).allSatisfy { $0 < $1 }, "the places grow")
            examination.expect(!page.hasMore && !page.isIncomplete && page.through == places.last, "that is all")
            let range = try await service.changeRange()
            examination.expect(
                range == ChangeRange(first: places.first, last: places.last ?? 0),
                "the range has all of them"
            )
            let first = try await service.changes(after: 0, limit: 1)
            examination.expect(first.changes == Array(page.changes.prefix(1)) && first.hasMore, "a page has its limit")
            let none = try await service.changes(after: range.last, limit: 100)
            examination.expect(none.changes.isEmpty && none.through == range.last, "after the last there is none")
        },
        ServiceCase("an export after a change has that change") { examination in
            let service = examination.service
            let id = try await examination.create().export.id
            try await examination.end(id, .failed)
            let seen = try await examination.seen(id)
            examination.expect(try await service.presentExport(id, for: .alice) == seen, "it is read as it is")
            await examination.expectProblem(.notFound, "nobody else reads it") {
                _ = try await service.presentExport(id, for: .bob)
            }
            for change in try await service.changes(after: 0, limit: 100).changes {
                let export = try await service.export(after: change)
                examination.expect(export?.id == id && (export?.revision ?? 0) >= change.revision, "it is not older")
            }
        },
    ]
}
