import Exports
import ManualClock
import NIOCore
import ServiceLifecycle
import Telemetry
import Testing

@testable import GatewayAPI

/// What ends a connection or a wait: a client that leaves, is idle or reads nothing, and a gateway that stops.
@Suite(.timeLimit(.minutes(5))) struct ConnectionEndTests {
    @Test func aClientThatLeavesTakesItsWaitAlong() async throws {
        let time = ManualTime()
        let gateway = TestGateway(time: time)
        let export = gateway.service.put()
        try await gateway.live { server in
            var events = gateway.service.waiting.stream.makeAsyncIterator()
            try await server.connect { client in
                try await client.send("GET /exports/\(export.id) HTTP/1.1\r\nhost: x\r\nprefer: wait=30\r\n\r\n")
                let began = await events.next()
                #expect(began == .began)
            }
            let cancelled = await events.next()
            #expect(cancelled == .cancelled)
        }
    }

    @Test func aDrainAnswersThoseWhoWait() async throws {
        let time = ManualTime()
        let gateway = TestGateway(time: time)
        let export = gateway.service.put()
        try await gateway.live { server in
            var events = gateway.service.waiting.stream.makeAsyncIterator()
            try await server.connect { client in
                try await client.send("GET /exports/\(export.id) HTTP/1.1\r\nhost: x\r\nprefer: wait=30\r\n\r\n")
                let began = await events.next()
                #expect(began == .began)
                await server.group.triggerGracefulShutdown()
                let answer = try await client.readAnswer()
                #expect(answer.head.hasPrefix("HTTP/1.1 200 "))
                #expect(answer.body.contains("\"status\":\"running\""))
            }
        }
    }

    @Test func idleConnectionsAreClosed() async throws {
        try await TestGateway(time: SystemTime()) { $0.idleTimeout = .milliseconds(100) }
            .live { server in
                try await server.connect { client in
                    // Half a head: nothing more comes, and nothing is owed.
                    try await client.send("GET /livez HTT")
                    #expect(try await client.readToEnd().isEmpty)
                    #expect(client.isEnded)
                }
            }
    }

    @Test func aClientThatTakesNothingIsCutOff() async throws {
        let (ended, end) = AsyncStream.makeStream(of: Void.self)
        let service = FakeExportService(time: SystemTime()) { _ throws(GatewayError) in
            FileBody(head: .init(), bytes: EndlessBytes(onEnd: { end.yield() }))
        }
        let export = service.put(.succeeded) { $0.files = [ExportFile(id: "1", name: "a.bin")] }
        let impatient = TestGateway(time: SystemTime(), service: service) {
            $0.minimumRateWindow = .milliseconds(100)
        }
        try await impatient.live { server in
            try await server.connect { client in
                try await client.send("GET /exports/\(export.id)/content HTTP/1.1\r\nhost: x\r\n\r\n")
                // The client reads nothing; the upstream's bytes are let go of when the server has given it up.
                for await _ in ended.prefix(1) {}
            }
        }
        #expect(
            impatient.registry.text()
                .contains(
                    "http_server_request_duration_seconds_count{http_request_method=\"GET\","
                        + "http_response_status_code=\"200\",http_route=\"/exports/{id}/content\",url_scheme=\"http\"} 1\n"
                )
        )
        #expect(impatient.registry.text().contains("http_server_active_requests 0\n"))
    }
}

/// A file without an end, that tells when nobody reads it any more.
private struct EndlessBytes: AsyncSequence, Sendable {
    final class AsyncIterator: AsyncIteratorProtocol {
        let onEnd: @Sendable () -> Void
        init(onEnd: @escaping @Sendable () -> Void) { self.onEnd = onEnd }
        deinit { onEnd() }

        func next() async throws -> ByteBuffer? {
            try Task.checkCancellation()
            return ByteBuffer(repeating: 0x61, count: 65_536)
        }
    }

    let onEnd: @Sendable () -> Void
    func makeAsyncIterator() -> AsyncIterator { AsyncIterator(onEnd: onEnd) }
}
