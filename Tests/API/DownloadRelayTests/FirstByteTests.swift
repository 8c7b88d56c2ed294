import Exports
import ManualClock
import NIOCore
import Testing

@testable import DownloadRelay

@Suite struct FirstByteTests {
    @Test func silenceAfterTheHeadTimesOut() async throws {
        let scene = Scene(settings: RelaySettings(firstByteTimeout: .seconds(20)))
        let bytes = ScriptedBytes([.bytes([]), .silence])
        let answer = Task { try await scene.get(pst, bytes: bytes) }
        await scene.time.deadlines(atLeast: 1)
        scene.time.advance(by: .seconds(20))
        let result = await answer.result
        let error = #expect(throws: GatewayError.self) { try result.get() }
        #expect(error?.code == .upstreamTimeout)
        #expect(error?.detail.contains("20 seconds") == true)
        #expect(bytes.notes.isLetGo)
    }

    @Test func openingCountsToo() async throws {
        let scene = Scene()
        let elsewhere = ManualTime()
        let answer = Task {
            try await scene.respond(to: acceptingGzip, for: csv) {
                _ async throws(GatewayError) in
                do {
                    try await elsewhere.sleep(for: .seconds(1))
                } catch {
                    throw GatewayError(.upstreamUnavailable, "Cancelled.")
                }
                throw GatewayError(.internalError, "The wait was not cancelled.")
            }
        }
        await scene.time.deadlines(atLeast: 1)
        scene.time.advance(by: .seconds(60))
        let result = await answer.result
        let error = #expect(throws: GatewayError.self) { try result.get() }
        #expect(error?.code == .upstreamTimeout)
    }

    @Test func theClockStopsWithTheFirstByte() async throws {
        let scene = Scene()
        let response = try await scene.get(csv, bytes: ScriptedBytes([.bytes([1]), .bytes([2])]))
        scene.time.advance(by: .seconds(3600))
        let body = try #require(response.body)
        #expect(await body.collected().bytes == [1, 2])
    }

    @Test func cancellationReachesTheUpstream() async throws {
        let scene = Scene()
        let bytes = ScriptedBytes([.silence])
        let task = Task { try await scene.get(pst, bytes: bytes) }
        await scene.time.deadlines(atLeast: 1)
        task.cancel()
        let result = await task.result
        #expect(throws: GatewayError.self) { try result.get() }
        #expect(bytes.notes.isLetGo)
    }

    @Test func anAnswerThatIsNotUsedLetsTheUpstreamGo() async throws {
        let bytes = ScriptedBytes([.bytes([1]), .silence])
        do {
            let response = try await Scene().get(pst, bytes: bytes)
            #expect(response.body != nil)
            #expect(!bytes.notes.isLetGo)
        }
        #expect(bytes.notes.isLetGo)
    }
}
