import Exports
import JSON
import ScriptedHost
import Synchronization
import Testing
import UpstreamHTTP

@testable import Intune

/// From a job's link to the bytes: two servers, so that what storage is shown can be told apart.
@Suite struct IntuneDownloadTests {
    private static let reference = UpstreamReference(id: "A_1")
    private static let file = ScriptedUpstream.Answer(
        headers: [("Content-Type", "application/zip"), ("ETag", "\"e\""), ("Accept-Ranges", "bytes")],
        body: Array("PK-archive".utf8)
    )

    private static func completed(_ url: String?, expires: String = "2999-01-01T00:00:00Z") -> ScriptedUpstream.Answer {
        .json([
            "id": "A_1", "status": "completed", "url": url.map { .string($0) } ?? .null,
            "expirationDateTime": .string(expires),
        ])
    }

    private func run(
        graph: Jobs,
        storage: Script,
        _ work: (Workbench, _ graph: ScriptedUpstream, _ storage: ScriptedUpstream) async throws -> Void
    ) async throws {
        try await ScriptedUpstream.run(storage) { storage in
            let (origin, calls) = (storage.origin, Counter())
            try await ScriptedUpstream.run(Script { _ in graph.answer(calls.next(), origin) }) { graph in
                try await Workbench.run(graph: graph.origin, storage: origin) { bench in
                    try await work(bench, graph, storage)
                }
            }
        }
    }

    /// What Graph answers, by the number of the call and the address of storage.
    private struct Jobs: Sendable {
        let answer: @Sendable (Int, String) -> ScriptedUpstream.Answer

        init(_ answer: @escaping @Sendable (Int, String) -> ScriptedUpstream.Answer) { self.answer = answer }
    }

    private final class Counter: Sendable {
        private let count = Mutex(0)

        func next() -> Int {
            count.withLock { count in
                count += 1
                return count
            }
        }
    }

    @Test("the link is asked for again, and storage is shown no token and none of Graph's fields")
    func noToken() async throws {
        try await run(
            graph: Jobs { number, storage in Self.completed("\(storage)/c/A_1.zip?sig=s\(number)") },
            storage: Script { _ in Self.file }
        ) { bench, graph, storage in
            for _ in 0..<2 {
                let body = try await bench.open(Self.reference)
                #expect(body.head.contentType == "application/zip")
                #expect(body.head.servesRanges && body.head.validator == "\"e\"")
                #expect(try await body.collected() == Array("PK-archive".utf8))
            }
            #expect(storage.requests.map(\.target) == ["/c/A_1.zip?sig=s1", "/c/A_1.zip?sig=s2"])
            #expect(!storage.requests.contains { $0.has("authorization") || $0.has("prefer") })
            #expect(graph.requests.allSatisfy { $0.header("authorization") == "Bearer token-1" })
        }
    }

    @Test("a part is asked for")
    func range() async throws {
        try await run(
            graph: Jobs { _, storage in Self.completed("\(storage)/c/A_1.zip?sig=s") },
            storage: Script { _ in
                ScriptedUpstream.Answer(
                    status: 206,
                    headers: [("Content-Range", "bytes 3-9/10"), ("ETag", "\"e\"")],
                    body: Array("archive".utf8)
                )
            }
        ) { bench, _, storage in
            let body = try await bench.open(Self.reference, range: FileRange(first: 3, validator: "\"e\""))
            #expect(try await body.collected() == Array("archive".utf8))
            #expect(storage.requests.first?.header("range") == "bytes=3-")
            #expect(storage.requests.first?.header("if-range") == "\"e\"")
        }
    }

    private static let refusal = ScriptedUpstream.Answer.text(
        "<?xml version=\"1.0\"?><Error><Code>AuthenticationFailed</Code><Message>Signed expiry time has passed</Message></Error>",
        status: 403,
        headers: [("Content-Type", "application/xml")]
    )

    @Test("a link that is refused is asked for once more")
    func freshLink() async throws {
        try await run(
            graph: Jobs { number, storage in Self.completed("\(storage)/c/A_1.zip?sig=s\(number)") },
            storage: Script { $0.target.hasSuffix("s1") ? Self.refusal : Self.file }
        ) { bench, graph, _ in
            let bytes = try await bench.open(Self.reference).collected()
            #expect(bytes.count == 10)
            #expect(graph.requests.count == 2)
        }
    }

    @Test("links that are refused again and again mean that the file is over")
    func refusedTwice() async throws {
        try await run(
            graph: Jobs { _, storage in Self.completed("\(storage)/c/A_1.zip?sig=s") },
            storage: Script { _ in Self.refusal }
        ) { bench, graph, storage in
            let error = try await providerError { _ = try await bench.open(Self.reference) }
            #expect(error.code == .gone)
            #expect(error.upstream?.code == "AuthenticationFailed")
            #expect((graph.requests.count, storage.requests.count) == (2, 2))
        }
    }

    @Test("403 for another reason is no expiry")
    func forbidden() async throws {
        try await run(
            graph: Jobs { _, storage in Self.completed("\(storage)/c/A_1.zip?sig=s") },
            storage: Script { _ in .empty(403, headers: [("x-ms-error-code", "AuthorizationFailure")]) }
        ) { bench, _, _ in
            let error = try await providerError { _ = try await bench.open(Self.reference) }
            #expect(error.code == .forbidden)
        }
    }

    @Test("a job whose time has passed has no file, and storage is not asked")
    func expired() async throws {
        try await run(
            graph: Jobs { _, storage in Self.completed("\(storage)/c/A_1.zip?sig=s", expires: "2020-01-01T00:00:00Z") },
            storage: Script { _ in Self.file }
        ) { bench, _, storage in
            let error = try await providerError { _ = try await bench.open(Self.reference) }
            #expect(error.code == .gone)
            #expect(storage.requests.isEmpty)
            #expect(try await bench.observe(Self.reference).status == .expired)
        }
    }

    @Test(
        "links to other hosts, of other schemes and without a host are not followed, nor repeated in the error",
        arguments: [
            "https://repexpstorage.blob.core.windows.net/c/A.zip?sig=canary", "http://127.0.0.1:1/A.zip?sig=canary",
            "ftp://a.example/A.zip?sig=canary", "https://user@a.example/?sig=canary", "/c/A.zip?sig=canary",
        ]
    )
    func otherHosts(url: String) async throws {
        let jobs = Jobs { _, _ in Self.completed(url) }
        try await run(graph: jobs, storage: Script { _ in Self.file }) { bench, _, storage in
            let error = try await providerError { _ = try await bench.open(Self.reference) }
            #expect(error.code == .permanent)
            #expect(!"\(error)".contains("canary"))
            #expect(storage.requests.isEmpty)
        }
    }

    @Test("no link yet, and a page in place of the file")
    func notTheFile() async throws {
        try await run(graph: Jobs { _, _ in Self.completed(nil) }, storage: Script { _ in Self.file }) { bench, _, _ in
            let error = try await providerError { _ = try await bench.open(Self.reference) }
            #expect(error.code == .transient && error.retryAfter == .seconds(5))
        }
        try await run(
            graph: Jobs { _, storage in Self.completed("\(storage)/c/A_1.zip?sig=s") },
            storage: Script { _ in .text("<html></html>", headers: [("Content-Type", "text/html")]) }
        ) { bench, _, _ in
            let error = try await providerError { _ = try await bench.open(Self.reference) }
            #expect(error.code == .permanent)
        }
    }

    @Test("the storage accounts of each cloud, and nobody else's")
    func hosts() throws {
        for domain in ["blob.core.windows.net", "blob.core.usgovcloudapi.net", "blob.core.chinacloudapi.cn"] {
            let rules = IntuneSettings.blobHosts(storage: domain)
            #expect(rules.map(\.description) == ["*repexpstorage." + domain])
            for (host, isTaken) in [
                ("amsua0702repexpstorage", true), ("westus01repexpstorage", true), ("repexpstorage", false),
                ("other", false), ("a.repexpstorage", false),
            ] {
                let url = try #require(UpstreamURL("https://\(host).\(domain)/c/x.zip?sig=1"))
                #expect(rules.contains { $0.matches(url) } == isTaken)
            }
        }
    }
}
