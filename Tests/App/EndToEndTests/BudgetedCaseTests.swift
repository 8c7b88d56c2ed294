import AsyncHTTPClient
import Exports
import Foundation
import JSON
import NIOCore
import NIOHTTP1
import ScriptedHost
import Synchronization
import SystemCrypto
import Testing

@testable import GatewayServer

/// Many exports at five calls a minute, against an upstream that allows no more in any minute and counts all the gateway's calls,
/// while a caller downloads. All clocks go thirty times as fast.
///
/// `EXPORT_GATEWAY_PACED_EXPORTS` makes it a measurement with so many exports, sixty times as fast, on a machine that does nothing
/// else: only then is it judged how soon something is known.
@Suite(.timeLimit(.minutes(20)), .serialized) struct BudgetedCaseTests {
    private static let measured =
        ProcessInfo.processInfo.environment["EXPORT_GATEWAY_PACED_EXPORTS"].flatMap { Int($0) }
    private static let count = measured ?? 12
    private static let apiKey = "paced-key-8c1d"
    private static let digest = Hexadecimal.encode(SHA256.hash(Array(apiKey.utf8)))

    @Test("fault C3: many exports of one case end at five calls a minute, and nothing is refused")
    func oneCase() async throws {
        let outcome = try await Self.run(jobDuration: .seconds(90)) { number in
            [
                "provider": "graph-ediscovery", "name": .string("Search \(number)"),
                "graphEDiscovery": [
                    "caseId": "b0073e4e-4184-41c6-9eb7-8c8cc3e2288b",
                    "searchId": "5d5b8f2e-9a53-4a2f-8d0c-0e9c3f6a7b8d",
                    "displayName": .string("Search \(number)"), "exportCriteria": "searchHits",
                    "additionalOptions": "none", "exportFormat": "pst",
                ],
            ]
        }
        outcome.check()
        guard Self.measured != nil else { return }
        // Each list tells of every export that was not asked for in the last 15 seconds.
        let lists = outcome.upstream.state.withLock { $0.lists }
        let interval = zip(lists.dropFirst(), lists).map { $0 - $1 }.max() ?? .zero
        print("lists are at most \(interval.components.seconds) s apart")
        #expect((outcome.lags.max() ?? .zero) <= interval + .seconds(15), "\(outcome.lags.max() ?? .zero)")
        // A minute after the last one it is due, and has its place after five other calls at most.
        #expect(interval <= .seconds(60 + 5 * 13))
    }

    @Test("fault C2: reports at five calls a minute cost a start and a poll each, and nothing fails")
    func reports() async throws {
        let outcome = try await Self.run(jobDuration: .seconds(1)) { number in
            [
                "provider": "power-bi", "name": .string("Report \(number)"),
                "powerBI": [
                    "groupId": "f089354e-8366-4e18-aea3-4cb4a3a50b48",
                    "reportId": "5b218778-e7a5-4d73-8187-f10824047715", "format": "PDF",
                ],
            ]
        }
        outcome.check()
        #expect(outcome.upstream.state.withLock { $0.jobs.allSatisfy { $0.polls == 1 } })
    }

    private struct Outcome {
        var upstream: LimitedUpstream
        var statuses: [String: Int] = [:]
        var downloads: [Int: Int] = [:]
        /// From the end of each job until the gateway knew of it.
        var lags: [Duration] = []
        var took = Duration.zero

        func check() {
            let state = upstream.state.withLock { $0 }
            print(
                "\(statuses) in \(took.components.seconds / 60) minutes; calls \(state.received.count), refused "
                    + "\(state.refused), most in a minute \(upstream.mostInAMinute); lists \(state.lists.count); downloads "
                    + "\(downloads); known after: median \(lags.sorted()[lags.count / 2].components.seconds) s, at most "
                    + "\((lags.max() ?? .zero).components.seconds) s"
            )
            #expect(state.refused == 0)
            #expect(statuses == ["succeeded": BudgetedCaseTests.count])
            #expect(state.jobs.count == BudgetedCaseTests.count)
            // A busy machine's moment is longer than callers are patient, at this speed: then it is 503, and `queued`.
            #expect(downloads.keys.allSatisfy { [200, 503].contains($0) }, "\(downloads)")
            #expect(downloads[200, default: 0] > 0)
            guard BudgetedCaseTests.measured != nil else { return }
            #expect(downloads.keys.allSatisfy { $0 == 200 }, "\(downloads)")
            // What there is of a budget is used: five a minute, less what is on its way, and what is kept for callers.
            let minutes = Double(took.milliseconds) / 60_000
            #expect(Double(state.received.count) / minutes > 3, "\(state.received.count) calls in \(minutes) minutes")
        }
    }

    private static func run(
        jobDuration: Duration,
        _ body: @escaping @Sendable (Int) -> JSONValue
    ) async throws -> Outcome {
        let time = ScaledTime(speed: measured == nil ? 30 : 60)
        let upstream = LimitedUpstream(time: time, jobDuration: jobDuration)
        let directory = FileManager.default.temporaryDirectory.appending(path: "paced-\(UUID())")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: directory) }
        let ledger = directory.appending(path: "ledger.sqlite").path
        return try await ScriptedUpstream.run { host in
            let origin = host.origin
            host.script { upstream.answer($0, origin: origin) }
            let configuration = try GatewayConfiguration(
                yaml: configuration(for: origin, ledger: ledger),
                environment: ["SECRET": "s"]
            )
            return try await withThrowingTaskGroup(of: Void.self) { group in
                let (listening, announce) = AsyncStream.makeStream(of: String.self)
                group.addTask {
                    defer { announce.finish() }
                    try await GatewayServer.run(configuration, time: time, logger: LogLines().logger, signals: []) {
                        announce.yield($0)
                    }
                }
                var addresses = listening.makeAsyncIterator()
                guard let gateway = await addresses.next() else {
                    try await group.next()
                    throw World.NotListening()
                }
                let outcome = try await drive(gateway, upstream, body)
                group.cancelAll()
                while await group.nextResult() != nil {}
                return outcome
            }
        }
    }

    private static func drive(
        _ gateway: String,
        _ upstream: LimitedUpstream,
        _ body: @escaping @Sendable (Int) -> JSONValue
    ) async throws -> Outcome {
        let client = HTTPClient()
        let time = upstream.time
        let result: Result<Outcome, any Error>
        do {
            var outcome = Outcome(upstream: upstream)
            let begun = time.elapsed()
            var ids: [String] = []
            for number in 0..<count {
                let answer = try await call(client, "POST", gateway + "/exports", body(number))
                guard answer.status == 202 else { throw Unexpected(answer: answer) }
                ids.append(answer.json.id)
            }
            let first = ids[0]
            outcome.downloads = try await withThrowingTaskGroup(of: [Int: Int].self) { group in
                // A caller who downloads one of them again and again, until all have ended.
                let isOver = Mutex(false)
                group.addTask {
                    var statuses: [Int: Int] = [:]
                    while !isOver.withLock({ $0 }) {
                        try await time.sleep(for: .seconds(45))
                        let answer = try await call(client, "GET", gateway + "/exports/\(first)/content")
                        // Until it has succeeded.
                        if answer.status != 409 { statuses[answer.status, default: 0] += 1 }
                    }
                    return statuses
                }
                for id in ids {
                    var export = JSONValue.null
                    repeat {
                        let answer = try await call(client, "GET", gateway + "/exports/\(id)", wait: 30)
                        guard answer.status == 200 else { throw Unexpected(answer: answer) }
                        export = answer.json
                    } while ["notStarted", "running"].contains(export["status"]?.string ?? "")
                    outcome.statuses[export["status"]?.string ?? "-", default: 0] += 1
                    // What is downloaded changes again, when its digest is known.
                    guard id != first, let known = export["updatedAt"]?.string.flatMap({ Timestamp(rfc3339: $0) }),
                        let ended = export["completedAt"]?.string.flatMap({ Timestamp(rfc3339: $0) })
                    else { continue }
                    outcome.lags.append(known - ended)
                }
                isOver.withLock { $0 = true }
                return try await group.next() ?? [:]
            }
            outcome.took = time.elapsed() - begun
            result = .success(outcome)
        } catch {
            result = .failure(error)
        }
        try await client.shutdown()
        return try result.get()
    }

    private static func call(
        _ client: HTTPClient,
        _ method: String,
        _ url: String,
        _ json: JSONValue? = nil,
        wait: Int? = nil
    ) async throws -> Answer {
        var request = HTTPClientRequest(url: url)
        request.method = .RAW(value: method)
        request.headers.add(name: "authorization", value: "Bearer \(apiKey)")
        if let wait { request.headers.add(name: "prefer", value: "wait=\(wait)") }
        if let json {
            request.headers.add(name: "content-type", value: "application/json")
            request.body = .bytes(ByteBuffer(bytes: json.encoded()))
        }
        let response = try await client.execute(request, timeout: .minutes(5))
        let body = try await response.body.collect(upTo: 1 << 20)
        return Answer(status: Int(response.status.code), headers: [:], body: Array(buffer: body))
    }

    private static func configuration(for origin: String, ledger: String) -> String {
        let credential =
            "{ type: clientSecret, authority: \"\(origin)\", tenantId: 11111111-1111-1111-1111-111111111111, "
            + "clientId: 22222222-2222-2222-2222-222222222222, clientSecret: \"env:SECRET\" }"
        let common = "apiRoot: \"\(origin)\", allowPlainHTTP: true, requestsPerMinute: 5, credential: \(credential)"
        return """
            server:
              port: 0
              drainTimeout: 1s
              apiKeys: [{ id: tests, sha256: \(digest) }]
            ledger: { path: "\(ledger)" }
            downloads: { measure: never }
            connections:
              - { name: purview, provider: graph-ediscovery, proxyHosts: [], blobHosts: ["\(origin)"], \(common) }
              - { name: reports, provider: power-bi, \(common) }
            """
    }
}
