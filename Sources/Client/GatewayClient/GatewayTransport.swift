import AsyncHTTPClient
import Exports
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL

/// The HTTP side of a client: connections to one gateway.
///
/// HTTP/1.1, without redirects and without decompression. The key goes to the gateway's address and nowhere else.
struct GatewayTransport: Sendable {
    let address: GatewayAddress
    let settings: ClientSettings
    let trailers = TrailerStore()
    private let key: GatewayKey?
    private let time: any TimeSource
    private let random: Randomness
    private let client: HTTPClient

    /// How much is read at once. One read of 256 KiB costs half the processor time of four of 64 KiB.
    private static var readSizes: AdaptiveRecvByteBufferAllocator {
        AdaptiveRecvByteBufferAllocator(minimum: 4 << 10, initial: 64 << 10, maximum: 256 << 10)
    }

    init(
        _ address: GatewayAddress,
        key: GatewayKey?,
        settings: ClientSettings,
        time: any TimeSource,
        random: Randomness
    ) throws(GatewayClient.Unusable) {
        self.address = address
        self.key = key
        self.settings = settings
        self.time = time
        self.random = random
        var configuration = HTTPClient.Configuration(
            redirectConfiguration: .disallow,
            timeout: .init(
                connect: .milliseconds(settings.connectTimeout.milliseconds),
                read: .milliseconds(settings.silenceTimeout.milliseconds)
            ),
            decompression: .disabled
        )
        configuration.httpVersion = .http1Only
        configuration.tracing.tracer = nil
        // Over plain HTTP nobody is verified, and the system's file of all authorities takes longer to read than a short call.
        if address.isTLS, let file = settings.authoritiesFile {
            configuration.tlsConfiguration = try Self.tls(authorities: file)
        }
        // Tries are counted here. AsyncHTTPClient would try to connect for as long as the time limit of a connection.
        configuration.connectionPool.retryConnectionEstablishment = false
        configuration.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = settings.parallelDownloads + 2
        let trailers = trailers
        // The only way in AsyncHTTPClient to set up a connection's channel.
        configuration.http1_1ConnectionDebugInitializer = { channel in
            channel.eventLoop
                .makeCompletedFuture {
                    try NamedCertificate.check(channel, for: address)
                    try TrailerReader.add(to: channel, trailers)
                }
                .flatMap { channel.setOption(.recvAllocator, value: Self.readSizes) }
        }
        client = HTTPClient(
            eventLoopGroupProvider: .shared(MultiThreadedEventLoopGroup.singleton),
            configuration: configuration
        )
    }

    private static func tls(authorities file: String) throws(GatewayClient.Unusable) -> TLSConfiguration {
        guard let certificates = try? NIOSSLCertificate.fromPEMFile(file), !certificates.isEmpty else {
            throw GatewayClient.Unusable(description: "\(file) cannot be read, or holds no certificate in PEM")
        }
        var configuration = TLSConfiguration.makeClientConfiguration()
        configuration.trustRoots = .certificates(certificates)
        return configuration
    }

    func shutdown() async throws { try await client.shutdown() }

    /// Sends a request once and reads the whole answer. Throws `GatewayClientError` for all but 2xx and 304.
    func send(_ call: GatewayCall) async throws -> GatewayAnswer {
        let response = try await execute(message(call, id: newRequestID()))
        return try await whole(response, of: call)
    }

    /// Sends the request for a file once, and reads the head of the answer.
    func open(_ call: GatewayCall) async throws -> OpenedFile {
        let id = newRequestID()
        trailers.expect(id)
        do {
            var call = call
            // `TE` is for the next hop, and says so (RFC 9110, 10.1.4).
            call.headers += [("accept-encoding", "identity"), ("te", "trailers"), ("connection", "TE")]
            let response = try await execute(message(call, id: id))
            guard response.status == .ok || response.status == .partialContent else {
                // Always an error: a file is asked for without `If-None-Match`.
                let answer = try await whole(response, of: call)
                throw GatewayClientError.unexpectedAnswer("\(call.label) was answered with \(answer.status).")
            }
            return OpenedFile(head: DownloadHead(response), body: response.body, requestID: id)
        } catch {
            _ = trailers.take(id)
            throw error
        }
    }

    private func message(_ call: GatewayCall, id: String) -> HTTPClientRequest {
        var request = HTTPClientRequest(url: address.url(call.path, query: call.query))
        request.method = call.method
        request.headers.add(name: "x-request-id", value: id)
        request.headers.add(name: "user-agent", value: "export-gateway")
        if let key { request.headers.add(name: "authorization", value: key.bearer) }
        for (name, value) in call.headers { request.headers.add(name: name, value: value) }
        if let body = call.body {
            request.headers.add(name: "content-type", value: "application/json")
            request.body = .bytes(ByteBuffer(bytes: body))
        }
        return request
    }

    private func newRequestID() -> String { random.newID(at: time.now()).description }

    private func execute(_ request: HTTPClientRequest) async throws -> HTTPClientResponse {
        do {
            // AsyncHTTPClient's deadline ends with the head of the answer.
            let patience = settings.connectTimeout + settings.silenceTimeout
            return try await client.execute(request, timeout: .milliseconds(patience.milliseconds))
        } catch {
            throw TransportError.named(error, address)
        }
    }

    private func whole(_ response: HTTPClientResponse, of call: GatewayCall) async throws -> GatewayAnswer {
        let body: [UInt8]
        do {
            body = Array((try await response.body.collect(upTo: settings.longestAnswer)).readableBytesView)
        } catch is NIOTooManyBytesError {
            throw GatewayClientError.unexpectedAnswer("The answer to \(call.label) is larger than any of a gateway.")
        } catch {
            throw TransportError.named(error, address)
        }
        let status = Int(response.status.code)
        switch status {
        case 200..<300, 304: return GatewayAnswer(status: status, headers: response.headers, body: body)
        case 300..<400:
            let place = response.headers.first(name: "location") ?? "another address"
            throw GatewayClientError.unexpectedAnswer(
                "\(address) redirects to \(place.prefix(512)), and the key is not sent there: give that address as the server."
            )
        default:
            let id = response.headers.first(name: "x-request-id").map { String($0.prefix(64)) }
            throw GatewayClientError.refused(
                GatewayProblem(status: status, body: body, requestID: id, retryAfter: response.headers.retryAfter)
            )
        }
    }
}

/// A file that has begun to come.
struct OpenedFile: Sendable {
    var head: DownloadHead
    var body: HTTPClientResponse.Body
    /// Names the request in the gateway's record of deliveries.
    var requestID: String
}
