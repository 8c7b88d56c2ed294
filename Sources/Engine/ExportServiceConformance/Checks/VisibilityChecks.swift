import Exports
import NIOCore
import Synchronization

extension ServiceCase {
    /// Every way to one export that throws `notFound` where the viewer may not see it.
    private static let ways: [(String, @Sendable (any ExportService, ExportID, Viewer) async throws -> Void)] = [
        ("read", { _ = try await $0.export($1, for: $2, refresh: false) }),
        ("refresh", { _ = try await $0.export($1, for: $2, refresh: true) }),
        ("wait", { _ = try await $0.export($1, for: $2, changedFrom: 0, within: .zero) }),
        ("cancel", { _ = try await $0.cancel($1, for: $2) }),
        ("retain", { _ = try await $0.setRetained(true, $1, for: $2) }),
        ("release", { _ = try await $0.setRetained(false, $1, for: $2) }),
        ("purge", { try await $0.purge($1, for: $2) }),
        ("resolve", { _ = try await $0.resolve($1, for: $2, as: .abandoned, revision: nil) }),
        ("open", { _ = try await $0.open("1", of: $1, for: $2, range: nil) }),
        ("deliveries", { _ = try await $0.deliveries(of: $1, for: $2, requestID: nil, after: nil, limit: 9) }),
    ]

    static let visibility = [
        ServiceCase("an unknown export is not found") { examination in
            let (service, unknown) = (examination.service, examination.unknownID())
            for viewer in [Viewer.alice, .auditor] {
                for (name, way) in ways {
                    await examination.expectProblem(.notFound, "\(name) does not find it") {
                        try await way(service, unknown, viewer)
                    }
                }
                examination.expect(service.snapshot(of: unknown, for: viewer) == nil, "it is not in memory")
            }
        },
        ServiceCase("another caller's export is not found, and stays as it is") { examination in
            let service = examination.service
            let id = try await examination.create().export.id
            try await examination.end(id, .succeeded(files: 1))
            let before = try await examination.seen(id)
            for (name, way) in ways {
                await examination.expectProblem(.notFound, "\(name) does not find it") {
                    try await way(service, id, .bob)
                }
            }
            examination.expect(service.snapshot(of: id, for: .bob) == nil, "it is not shown from memory")
            examination.expect(await found(id, by: .bob, in: service) == [nil], "it is told once that there is none")
            examination.expect(try await examination.seen(id) == before, "its owner sees no change")
        },
        ServiceCase("an export is found by its owner and by who sees all") { examination in
            let service = examination.service
            let id = try await examination.create().export.id
            try await examination.end(id, .succeeded(files: 1))
            for viewer in [Viewer.alice, .auditor] {
                let seen = try await examination.seen(id, by: viewer)
                examination.expect(seen.id == id, "it is read")
                if let snapshot = service.snapshot(of: id, for: viewer) {
                    examination.expect(snapshot.export == seen, "memory shows the same")
                }
                let told = await found(id, by: viewer, in: service)
                // Nil says that it has to be read.
                examination.expect(told == [seen] || told == [nil], "it is told once, as it is read")
                _ = try await service.export(id, for: viewer, changedFrom: 0, within: .zero)
                _ = try await service.deliveries(of: id, for: viewer, requestID: nil, after: nil, limit: 9)
                let body = try await service.open("1", of: id, for: viewer, range: nil)
                var count = 0
                for try await piece in body.bytes { count += piece.readableBytes }
                examination.expect(count > 0, "its file has bytes")
            }
        },
    ]

    /// What `find` tells.
    private static func found(_ id: ExportID, by viewer: Viewer, in service: any ExportService) async -> [Export?] {
        let told = Mutex<[Export?]>([])
        await withCheckedContinuation { continuation in
            service.find(id, for: viewer) { snapshot in
                let isFirst = told.withLock { told in
                    told.append(snapshot?.export)
                    return told.count == 1
                }
                if isFirst { continuation.resume() }
            }
        }
        return told.withLock { $0 }
    }
}
