import EntraIdentity
import Exports
import Foundation
import JSON
import Logging
import Metrics
import NIOCore
import ParallelGzip
import SystemCrypto
import UpstreamHTTP

/// A caller of the gateway, over real sockets.
struct DemoClient {
    /// A file as it was received.
    struct Download {
        var wireBytes: Int64
        var contentBytes: Int64
        var sha256: String
        var coding: String
    }

    struct UnexpectedAnswer: Error, CustomStringConvertible {
        var description: String
    }

    private let root: UpstreamURL
    private let client: UpstreamClient
    private let apiKey: Secret
    private let transport: UpstreamTransport

    init(gateway: String, apiKey: Secret) throws {
        guard let root = UpstreamURL(gateway) else { throw UnexpectedAnswer(description: "no address: \(gateway)") }
        self.root = root
        self.apiKey = apiKey
        transport = UpstreamTransport()
        client = UpstreamClient(
            settings: .init(connection: "gateway", bearerHosts: [:], openHosts: [.origin(of: root)]),
            transport: transport,
            tokens: PassThroughTokenSource(scope: TokenScope("none")),
            time: SystemTime(),
            logger: Logger(label: "demo.client") { _ in SwiftLogNoOpLogHandler() },
            metrics: NOOPMetricsHandler.instance
        )
    }

    func shutdown() async throws { try await transport.shutdown() }

    func create(_ body: JSONValue, authorization: String?) async throws -> JSONValue {
        var request = request("create", .post, ["exports"])
        request.setJSON(body)
        if let authorization { request.headers.append(("upstream-authorization", "Bearer " + authorization)) }
        return try await json(request, expecting: 202)
    }

    /// The export, as soon as it differs from the last answer or a few seconds have passed.
    func watch(_ id: String) async throws -> JSONValue {
        var request = request("watch", .get, ["exports", id])
        request.headers.append(("prefer", "wait=2"))
        return try await json(request, expecting: 200)
    }

    func download(_ exportID: String, file: String, gzip: Bool) async throws -> Download {
        var request = request("download", .get, ["exports", exportID, "files", file])
        request.headers.append(("accept-encoding", gzip ? "gzip" : "identity"))
        let answer = try await client.download(request, context: CallContext(requestID: "demo"))
        guard answer.status == 200 else {
            throw UnexpectedAnswer(description: "\(answer.status): \(await answer.collected().text)")
        }
        let coding = answer.headers["content-encoding"] ?? "identity"
        var download = Download(wireBytes: 0, contentBytes: 0, sha256: "", coding: coding)
        var digest = SHA256()
        var bytes = answer.bytes.makeAsyncIterator()
        if coding == "gzip" {
            try await GzipDecoder()
                .decode {
                    let chunk = try await bytes.next()
                    download.wireBytes += Int64(chunk?.readableBytes ?? 0)
                    return chunk
                } to: { chunk in
                    download.contentBytes += Int64(chunk.readableBytes)
                    chunk.withUnsafeReadableBytes { digest.update($0) }
                }
        } else {
            while let chunk = try await bytes.next() {
                download.contentBytes += Int64(chunk.readableBytes)
                chunk.withUnsafeReadableBytes { digest.update($0) }
            }
            download.wireBytes = download.contentBytes
        }
        download.sha256 = Hexadecimal.encode(digest.finalize())
        return download
    }

    private func request(_ operation: String, _ method: UpstreamRequest.Method, _ path: [String]) -> UpstreamRequest {
        var request = UpstreamRequest(operation, method, root.appending(path: path))
        request.headers = [("authorization", "Bearer " + apiKey.reveal())]
        return request
    }

    private func json(_ request: UpstreamRequest, expecting status: Int) async throws -> JSONValue {
        let response = try await client.send(request, context: CallContext(requestID: "demo"))
        guard response.status == status, let json = response.json else {
            throw UnexpectedAnswer(description: "\(response.status): \(response.text)")
        }
        return json
    }
}

extension UpstreamResponse {
    fileprivate var text: String { String(decoding: body.prefix(2048), as: UTF8.self) }
}
