import Exports

extension ServiceCase {
    static let creations = [
        ServiceCase("a service that works is ready") { examination in
            examination.expect(await examination.service.isReady(), "it says so")
            let known = examination.service.providers.map(\.descriptor.id)
            examination.expect(known.contains(examination.draft.provider), "it has the provider of its own draft")
        },
        ServiceCase("an accepted export is its creator's and is found at once") { examination in
            let creation = try await examination.create()
            let (export, draft) = (creation.export, examination.draft)
            examination.expect(!creation.isReplay, "it is new")
            examination.expect(export.createdBy == Viewer.alice.id, "it is its creator's")
            examination.expect(export.provider == draft.provider, "it has the draft's provider")
            examination.expect(draft.name == nil || export.name == draft.name, "it has the draft's name")
            examination.expect(!export.isFinal, "it has not ended")
            let seen = try await examination.seen(export.id)
            examination.expect(seen.id == export.id && seen.source == export.source, "it is found")
            examination.expect(seen.revision >= export.revision, "its revision does not go back")
        },
        ServiceCase("the same key with the same body creates once") { examination in
            let key = Idempotency(key: "k", fingerprint: "f")
            let first = try await examination.create(key: key)
            let second = try await examination.create(key: key)
            examination.expect(second.isReplay, "the second is a replay")
            examination.expect(first.export.id == second.export.id, "both are the same export")
            examination.expect(try await !examination.create().isReplay, "without a key, another one is created")
        },
        ServiceCase("a key with another body is refused") { examination in
            _ = try await examination.create(key: Idempotency(key: "k", fingerprint: "f"))
            await examination.expectProblem(.idempotencyKeyReused, "it is refused") {
                _ = try await examination.create(key: Idempotency(key: "k", fingerprint: "g"))
            }
        },
        ServiceCase("an export that is created without a task is like any other") { examination in
            let key = Idempotency(key: "k", fingerprint: "f")
            // A service may have no such way.
            guard let first = try await examination.createWithoutATask(key: key) else { return }
            examination.expect(
                !first.isReplay && first.export.createdBy == Viewer.alice.id,
                "it is new and its creator's"
            )
            let seen = try await examination.seen(first.export.id)
            examination.expect(seen.source == first.export.source, "it is found at once")
            let (second, third) = (
                try await examination.create(key: key), try await examination.createWithoutATask(key: key)
            )
            examination.expect(second.isReplay && third?.isReplay == true, "its key is used, whichever way comes next")
            examination.expect(
                second.export.id == first.export.id && third?.export.id == first.export.id,
                "all three are the same export"
            )
            await examination.expectProblem(.idempotencyKeyReused, "its key with another body is refused") {
                _ = try await examination.createWithoutATask(key: Idempotency(key: "k", fingerprint: "g"))
            }
            let others = try await examination.createWithoutATask(for: .bob, key: key)
            examination.expect(others?.isReplay == false, "another caller's key is another one")
            let viewer = Viewer(.caller("alice", seesAll: false), token: Secret("token"), downloadToken: nil)
            examination.expect(
                !examination.service.create(examination.draft, for: viewer, on: { $0() }, then: { _ in }),
                "a viewer with a token is left to the other way"
            )
        },
        ServiceCase("each caller has its own keys") { examination in
            let key = Idempotency(key: "k", fingerprint: "f")
            let first = try await examination.create(key: key)
            let other = try await examination.create(for: .bob, key: key)
            examination.expect(!other.isReplay, "another caller's is new")
            examination.expect(other.export.id != first.export.id, "both are different exports")
        },
    ]
}
