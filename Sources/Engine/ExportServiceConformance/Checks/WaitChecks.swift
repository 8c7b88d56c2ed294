import Exports
import Synchronization

extension ServiceCase {
    static let waits = [
        ServiceCase("a wait without time returns what is known") { examination in
            let id = try await examination.create().export.id
            let seen = try await examination.seen(id)
            let waited = try await examination.service.export(
                id,
                for: .alice,
                changedFrom: seen.revision,
                within: .zero
            )
            examination.expect(waited.id == id && waited.revision >= seen.revision, "it is the export")
        },
        ServiceCase("a wait ends at once where there is news already") { examination in
            let id = try await examination.create().export.id
            let waited = try await examination.service.export(
                id,
                for: .alice,
                changedFrom: -1,
                within: .seconds(1 << 30)
            )
            examination.expect(waited.id == id, "another revision is news")
        },
        ServiceCase("a wait ends at once where the export has ended") { examination in
            let id = try await examination.create().export.id
            try await examination.end(id, .failed)
            let ended = try await examination.seen(id)
            let waited = try await examination.service.export(
                id,
                for: .alice,
                changedFrom: ended.revision,
                within: .seconds(1 << 30)
            )
            examination.expect(waited == ended, "nothing will change")
        },
        ServiceCase("a wait ends with a change") { examination in
            let service = examination.service
            let id = try await examination.create().export.id
            let before = try await examination.seen(id)
            async let waited = service.export(
                id,
                for: .alice,
                changedFrom: before.revision,
                within: .seconds(1 << 30)
            )
            try await examination.end(id, .succeeded(files: 1))
            examination.expect(try await waited.revision > before.revision, "it returns the new state")
        },
        ServiceCase("a watch is told once, and not after its end") { examination in
            let service = examination.service
            let id = try await examination.create().export.id
            let before = try await examination.seen(id)
            let told = Mutex<[Export?]>([])
            let cancelled = Mutex<[Export?]>([])
            let (stream, continuation) = AsyncStream.makeStream(of: Void.self)
            let watch = service.watch(id, beyond: before.revision) { export in
                told.withLock { $0.append(export) }
                continuation.finish()
            }
            // A service may have none.
            guard let watch else { return }
            let other = service.watch(id, beyond: .max) { export in cancelled.withLock { $0.append(export) } }
            other?.cancel()
            try await examination.end(id, .succeeded(files: 1))
            for await _ in stream {}
            watch.cancel()
            let exports = told.withLock { $0 }
            examination.expect(exports.count == 1, "it is told once")
            let isNewer = (exports.first ?? nil).map { $0.revision > before.revision } ?? false
            examination.expect(isNewer, "it is told of a newer state")
            examination.expect(cancelled.withLock { $0.isEmpty }, "who has ended it is not told")
        },
    ]
}
