import Exports

extension ServiceCase {
    static let ends = [
        ServiceCase("files are opened when they are there") { examination in
            let service = examination.service
            func open(_ file: String, of id: ExportID) async throws {
                _ = try await service.open(file, of: id, for: .alice, range: nil)
            }
            let id = try await examination.create().export.id
            await examination.expectProblem(.notReady, "not before the end") { try await open("1", of: id) }
            try await examination.end(id, .succeeded(files: 2))
            examination.expect(try await examination.seen(id).files.map(\.id) == ["1", "2"], "the files are listed")
            try await open("2", of: id)
            await examination.expectProblem(.notFound, "not what is no file") { try await open("3", of: id) }
            let failed = try await examination.create().export.id
            try await examination.end(failed, .failed)
            await examination.expectProblem(.noResult, "not after a failure") { try await open("1", of: failed) }
        },
        ServiceCase("an ended export is not canceled") { examination in
            let id = try await examination.create().export.id
            try await examination.end(id, .succeeded(files: 1))
            let before = try await examination.seen(id)
            let canceled = try await examination.service.cancel(id, for: .alice)
            examination.expect(canceled == before, "it is returned as it is")
            examination.expect(try await examination.seen(id) == before, "it stays as it is")
        },
        ServiceCase("an unfinished export is canceled") { examination in
            let id = try await examination.create().export.id
            var export = try await examination.service.cancel(id, for: .alice)
            guard export.cancellation != nil else { return examination.report("it says what became of the request") }
            while !export.isFinal {
                export = try await examination.service.export(
                    id,
                    for: .alice,
                    changedFrom: export.revision,
                    within: .seconds(1 << 30)
                )
            }
            examination.expect(export.status == .canceled, "it ends as canceled")
        },
        ServiceCase("an export is kept, and purged when it is released") { examination in
            let service = examination.service
            let id = try await examination.create().export.id
            await examination.expectProblem(.notPurgeable, "not before its end") {
                try await service.purge(id, for: .alice)
            }
            try await examination.end(id, .succeeded(files: 1))
            let before = try await examination.seen(id)
            let retained = try await service.setRetained(true, id, for: .auditor)
            examination.expect(retained.retainedAt != nil, "it says that it is kept")
            examination.expect(retained.revision > before.revision, "that is a change")
            examination.expect(try await service.setRetained(true, id, for: .alice) == retained, "once")
            await examination.expectProblem(.notPurgeable, "what is kept is not purged") {
                try await service.purge(id, for: .alice)
            }
            examination.expect(try await examination.seen(id) == retained, "it stays as it is")
            let released = try await service.setRetained(false, id, for: .alice)
            examination.expect(released.retainedAt == nil, "it says that it is released")
            try await service.purge(id, for: .alice)
            for viewer in [Viewer.alice, .auditor] {
                await examination.expectProblem(.exportPurged, "then it is gone") {
                    _ = try await examination.seen(id, by: viewer)
                }
                await examination.expectProblem(.exportPurged, "also for a second purge") {
                    try await service.purge(id, for: viewer)
                }
                examination.expect(service.snapshot(of: id, for: viewer) == nil, "it is not in memory")
            }
            await examination.expectProblem(.notFound, "others learn nothing of it") {
                _ = try await examination.seen(id, by: .bob)
            }
            let page = try await service.exports(matching: ExportFilter(), for: .alice, before: nil, limit: 9)
            examination.expect(page.exports.isEmpty, "no list has it")
            let changes = try await service.changes(after: 0, limit: 99).changes
            examination.expect(
                changes.last?.exportID == id && changes.last?.isPurge == true,
                "its last change tells of it"
            )
            guard let last = changes.last else { return }
            await examination.expectProblem(.exportPurged, "whoever follows the changes learns it") {
                _ = try await service.export(after: last)
            }
        },
        ServiceCase("a start that is not in question is not decided") { examination in
            let id = try await examination.create().export.id
            try await examination.end(id, .succeeded(files: 1))
            let before = try await examination.seen(id)
            func resolve(_ revision: Int64?) async throws {
                _ = try await examination.service.resolve(id, for: .alice, as: .abandoned, revision: revision)
            }
            await examination.expectProblem(.submissionKnown, "it is known") { try await resolve(nil) }
            await examination.expectProblem(.submissionKnown, "the revision changes nothing of that") {
                try await resolve(before.revision)
            }
            await examination.expectProblem(.preconditionFailed, "another revision is refused first") {
                try await resolve(before.revision + 1)
            }
            examination.expect(try await examination.seen(id) == before, "it stays as it is")
        },
    ]
}
