import Exports
import Foundation
import JSON
import MicrosoftSandbox
import NIOCore
import ParallelGzip
import SystemCrypto
import Testing

/// An export on each upstream, from its creation to its bytes.
@Suite(.timeLimit(.minutes(5))) struct MainJobTests {
    @Test(arguments: Bodies.all.indices)
    func fromCreationToBytes(index: Int) async throws {
        let (body, authorization) = Bodies.all[index]
        try await World.run { world in
            let export = try await world.finished(try await world.create(body, authorization: authorization))
            #expect(export["status"] == "succeeded", "\(export.text)")
            let files = try #require(export["files"]?.array)
            #expect(!files.isEmpty)
            let digests = Set(world.sandbox.account.jobs.flatMap(\.files).map(\.sha256))
            for file in files {
                // Relative to the export's own address.
                let path = "/exports/" + (try #require(file["href"]?.string))
                let plain = try await world.call("GET", path, headers: [("accept-encoding", "identity")])
                #expect(plain.status == 200, "\(plain)")
                #expect(plain.headers["content-encoding"] == nil)
                #expect(digests.contains(Hexadecimal.encode(SHA256.hash(plain.body))))
                let encoded = try await world.call("GET", path, headers: [("accept-encoding", "gzip")])
                #expect(encoded.headers["vary"]?.lowercased().hasSuffix("accept-encoding") == true)
                if encoded.headers["content-encoding"] == "gzip" {
                    #expect(try await decoded(encoded.body) == plain.body)
                    #expect(encoded.headers["etag"] != plain.headers["etag"])
                } else {
                    #expect(encoded.body == plain.body)
                }
                // The second one confirms what the first one said.
                try await world.deliveriesHaveEnded(of: file, export, count: 2)
                let head = try await world.call("HEAD", path, headers: [("accept-encoding", "identity")])
                #expect(head.status == 200)
                #expect(head.body.isEmpty)
                // The first whole delivery told the file's digest.
                let digest = Hexadecimal.encode(SHA256.hash(plain.body))
                let tag = try #require(head.headers["etag"])
                #expect(tag.hasPrefix("\"") && tag.contains(".\(digest.prefix(32))"))
                #expect(head.headers["content-length"] == String(plain.body.count))
                #expect(head.headers["accept-ranges"] == "bytes")
                let known = try await world.call("GET", path, headers: [("if-none-match", tag)])
                #expect(known.status == 304, "\(tag), then \(known.headers)")
                let part = try await world.call(
                    "GET",
                    path,
                    headers: [("range", "bytes=-5"), ("if-range", tag), ("accept-encoding", "gzip")]
                )
                #expect(part.status == 206)
                #expect(part.headers["etag"] == tag)
                #expect(part.body == Array(plain.body.suffix(5)))
            }
            #expect(world.sandbox.account.jobs.count == 1)
        }
    }

    @Test func jobThatDoesNotEndIsReplaced() async throws {
        try await World.run(stuckAfter: "3s") { world in
            world.sandbox.addRule(SandboxRule(operation: "intune.start", times: 1, fault: .stuck))
            let export = try await world.finished(try await world.create(Bodies.intune))
            #expect(export["status"] == "succeeded", "\(export.text)")
            let jobs = world.sandbox.account.jobs
            #expect(jobs.map(\.status) == ["inProgress", "completed"])
            #expect(export["upstream"]?["id"]?.string == jobs.last?.id)
            let answer = try await world.call("GET", "/exports/\(export.id)/content")
            #expect(Hexadecimal.encode(SHA256.hash(answer.body)) == jobs.last?.files.first?.sha256)
            #expect(world.log.text.contains("the job is given up"))
        }
    }

    @Test func textIsEncodedOnTheWay() async throws {
        try await World.run { world in
            let export = try await world.finished(try await world.create(Bodies.csv))
            let answer = try await world.call(
                "GET",
                "/exports/\(export.id)/content",
                headers: [("accept-encoding", "br, gzip;q=0.8")]
            )
            #expect(answer.headers["content-encoding"] == "gzip")
            #expect(try await decoded(answer.body).count > answer.body.count)
        }
    }

    @Test func whatIsSecretIsWrittenNowhere() async throws {
        try await World.run { world in
            for (body, authorization) in Bodies.all {
                let export = try await world.finished(try await world.create(body, authorization: authorization))
                for file in export["files"]?.array ?? [] {
                    _ = try await world.call("GET", "/exports/\(export.id)/files/\(file.id)")
                }
            }
            let ledger = try Data(contentsOf: URL(filePath: world.ledger))
            let writeAhead = (try? Data(contentsOf: URL(filePath: world.ledger + "-wal"))) ?? Data()
            let metrics = try await world.call("GET", "/metrics").body
            let log = world.log.text
            let kept = String(decoding: ledger + writeAhead + metrics, as: UTF8.self)
            // The search would find something: the ids are in both places.
            #expect(log.contains("purview") && kept.contains("purview"))
            let secrets = world.sandbox.secrets + [World.apiKey]
            #expect(secrets.count > 5)
            for (index, secret) in secrets.enumerated() {
                #expect(!log.contains(secret), "secret \(index) is in the log")
                #expect(!kept.contains(secret), "secret \(index) is in the ledger or the metrics")
            }
        }
    }

    private func decoded(_ bytes: [UInt8]) async throws -> [UInt8] {
        var input: ByteBuffer? = ByteBuffer(bytes: bytes)
        var plain: [UInt8] = []
        try await GzipDecoder()
            .decode {
                defer { input = nil }
                return input
            } to: {
                plain += $0.readableBytesView
            }
        return plain
    }
}
