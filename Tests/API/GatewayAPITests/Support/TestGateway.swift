import Audit
import CallerIdentity
import JSON
import ManualClock
import Telemetry
import DownloadRelay
import Exports
import Foundation
import HTTPTypes
import Hummingbird
import HummingbirdTesting
import Logging
import Memory
import NIOCore
import NIOEmbedded
import Spans
import Synchronization
import SystemCrypto
import Testing
import Webhooks

@testable import GatewayAPI

/// The HTTP face on a fake service. Every answer that passes through `call` is checked against the route table.
struct TestGateway: Sendable {
    let service: FakeExportService
    let webhooks: FakeWebhookService
    let registry = PrometheusRegistry()
    let memory: MemoryBudget
    let api: GatewayAPI
    let settings: APISettings

    init(
        time: any TimeSource = ManualTime(),
        service: FakeExportService? = nil,
        webhooks: (any WebhookService)? = nil,
        audit: (any AuditService)? = nil,
        logger: Logger = Logger(label: "tests") { _ in SwiftLogNoOpLogHandler() },
        isServing: Bool = true,
        impediments: [ServiceImpediment] = [],
        memory: Int = 1 << 30,
        tls: TLSIdentity? = nil,
        tracer: GatewayTracer = GatewayTracer(),
        reload: FakeReload = FakeReload(.notNow),
        _ configure: (inout APISettings) -> Void = { _ in }
    ) {
        var settings = APISettings(port: 0, cursorKey: SecretBytes(Array(repeating: 7, count: 32)), version: "1.2.3")
        // A stream ends with its beginning, so that a test of anything else does not wait for more.
        settings.events.longestStream = .zero
        configure(&settings)
        let memory = MemoryBudget(total: memory, metrics: registry)
        self.memory = memory
        self.settings = settings
        self.service = service ?? FakeExportService(time: time)
        self.webhooks = webhooks as? FakeWebhookService ?? FakeWebhookService(time: time)
        api = GatewayAPI(
            service: self.service,
            webhooks: webhooks ?? self.webhooks,
            audit: audit,
            relay: DownloadRelay(
                settings: RelaySettings(minimumGzipSize: 16),
                memory: memory,
                time: time,
                random: { 7 },
                logger: logger,
                metrics: registry
            ),
            memory: memory,
            settings: settings,
            tls: tls,
            readiness: { isServing },
            impediments: { impediments },
            tracer: tracer,
            reload: { _ in reload.ask() },
            metrics: registry,
            time: time,
            logger: logger
        )
    }

    /// A gateway that wants a key, and that key.
    static func locked() -> (TestGateway, key: String) {
        let key = "a-key-for-tests"
        return (
            TestGateway {
                $0.apiKeys = [
                    APIKey(id: "nobody", sha256: SHA256.hash(Array("another".utf8))),
                    APIKey(id: "reporting", sha256: SHA256.hash(Array(key.utf8))),
                ]
            }, key
        )
    }

    /// Sends a request through all of the face but the socket; where there is a `channel`, as over the connection of that.
    func call(
        _ method: HTTPRequest.Method,
        _ target: String,
        headers: HTTPFields = [:],
        body: String? = nil,
        on channel: (any Channel)? = nil,
        sourceLocation: SourceLocation = #_sourceLocation
    ) async throws -> Answer {
        if let channel {
            let head = HTTPRequest(
                method: method,
                scheme: "http",
                authority: "localhost",
                path: target,
                headerFields: headers
            )
            let answer = try await answer(to: head, body, on: channel)
            answer.check(method, target, sourceLocation)
            return answer
        }
        let response = try await api.application()
            .test(.router) { client in
                try await client.execute(
                    uri: target,
                    method: method,
                    headers: headers,
                    body: body.map { ByteBuffer(string: $0) }
                )
            }
        let answer = Answer(
            status: Int(response.status.code),
            headers: response.headers,
            body: String(buffer: response.body)
        )
        answer.check(method, target, sourceLocation)
        return answer
    }

    /// Creates an export with a JSON body.
    func create(
        _ body: String,
        headers: HTTPFields = [:],
        on channel: (any Channel)? = nil
    ) async throws -> Answer {
        var headers = headers
        if headers[.contentType] == nil { headers[.contentType] = "application/json" }
        return try await call(.post, "/exports", headers: headers, body: body, on: channel)
    }

    /// Sends a request to the listener for the platform.
    func callPlatform(
        _ method: HTTPRequest.Method,
        _ target: String,
        headers: HTTPFields = [:],
        host: String = "localhost"
    ) async throws -> Answer {
        let head = HTTPRequest(method: method, scheme: "http", authority: host, path: target, headerFields: headers)
        return try await answer(to: head, nil, on: EmbeddedChannel(), by: api.platformResponder)
    }

    private func answer(
        to head: HTTPRequest,
        _ body: String?,
        on channel: any Channel,
        by responder: GatewayResponder? = nil
    ) async throws -> Answer {
        let logger = Logger(label: "tests") { _ in SwiftLogNoOpLogHandler() }
        let response = try await (responder ?? api.responder)
            .respond(
                to: Request(head: head, body: RequestBody(buffer: ByteBuffer(string: body ?? ""))),
                context: GatewayContext(source: ApplicationRequestContextSource(channel: channel, logger: logger))
            )
        let content = Content()
        try await response.body.write(content)
        return Answer(status: Int(response.status.code), headers: response.headers, body: content.text)
    }
}

/// Stands in for what reads the configuration again.
final class FakeReload: Sendable {
    private let outcome: ReloadOutcome
    private let count = Mutex(0)

    init(_ outcome: ReloadOutcome) {
        self.outcome = outcome
    }

    /// How often it was asked for a reload.
    var asked: Int { count.withLock { $0 } }

    func ask() -> ReloadOutcome {
        count.withLock { $0 += 1 }
        return outcome
    }
}

/// The content of an answer that no socket takes.
private final class Content: ResponseBodyWriter {
    private var bytes = ByteBuffer()

    var text: String { String(buffer: bytes) }

    func write(_ buffer: ByteBuffer) async throws { bytes.writeImmutableBuffer(buffer) }

    func finish(_ trailingHeaders: HTTPFields?) async throws {}
}

/// An answer, with what every answer must have.
struct Answer: Sendable {
    var status: Int
    var headers: HTTPFields
    var body: String

    var json: JSONValue { (try? JSONValue(parsing: Data(body.utf8))) ?? .null }
    var code: String? { json["code"]?.string }
    /// `pointer: detail` of each fault.
    var faults: [String] {
        (json["errors"]?.array ?? []).map { "\($0["pointer"]?.string ?? "?"): \($0["detail"]?.string ?? "?")" }
    }

    fileprivate func check(_ method: HTTPRequest.Method, _ target: String, _ location: SourceLocation) {
        let requestID = headers[.requestID]
        #expect(requestID?.isEmpty == false, "no X-Request-Id", sourceLocation: location)
        if let parsed = RequestTarget(target), case .route(let route, _) = RouteTable.match(method, parsed.segments) {
            #expect(
                route.statuses.union(RouteTable.statusesOfAnyRoute).contains(status),
                "\(route.operation) does not document \(status)",
                sourceLocation: location
            )
        }
        guard status >= 400 else { return }
        #expect(headers[.contentType] == "application/problem+json", sourceLocation: location)
        if method == .head {
            #expect(body.isEmpty, sourceLocation: location)
            return
        }
        #expect(json["status"]?.integer == Int64(status), sourceLocation: location)
        #expect(json["requestId"]?.string == requestID, sourceLocation: location)
        let code = self.code.flatMap { ProblemCode(rawValue: $0) }
        #expect(code != nil, "unknown code", sourceLocation: location)
        #expect(json["type"]?.string == code?.type, sourceLocation: location)
        #expect(json["title"]?.string == code?.title, sourceLocation: location)
        #expect(json["detail"]?.string?.isEmpty == false, sourceLocation: location)
    }
}

/// A file that comes in the given pieces, and then ends or breaks.
func fileBody(
    _ pieces: [String],
    contentLength: Int64? = nil,
    contentType: String? = nil,
    failure: ProviderError? = nil
) -> FileBody {
    let bytes = AsyncThrowingStream<ByteBuffer, any Error> { continuation in
        for piece in pieces { continuation.yield(ByteBuffer(string: piece)) }
        continuation.finish(throwing: failure)
    }
    return FileBody(head: .init(contentType: contentType, contentLength: contentLength), bytes: bytes)
}
