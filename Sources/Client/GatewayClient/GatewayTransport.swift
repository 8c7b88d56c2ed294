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
    private let receivers = FileReceivers()
    private let key: GatewayKey?
    private let time: any TimeSource
    private let random: Randomness
    private let client: HTTPClient
    /// One event loop, so that a file is received on the loop of its connection. Nothing blocks or computes for long there.
    private let group: MultiThreadedEventLoopGroup

    /// How much is read at once. A download of 1 GiB took about 5 % longer with 512 KiB, which are out of the processor's cache when
    /// they are written. With 64 KiB it took more processor time.
    private static var readSizes: AdaptiveRecvByteBufferAllocator {
        AdaptiveRecvByteBufferAllocator(minimum: 4 << 10, initial: 64 << 10, maximum: 128 << 10)
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
        let receivers = receivers
        // The only way in AsyncHTTPClient to set up a connection's channel.
        configuration.http1_1ConnectionDebugInitializer = { channel in
            channel.eventLoop
                .makeCompletedFuture {
                    try NamedCertificate.check(channel, for: address)
                    try ReadGate.add(to: channel, receivers)
                }
                .flatMap { channel.setOption(.recvAllocator, value: Self.readSizes) }
        }
        // Last: what failed before would leave its thread behind.
        group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        client = HTTPClient(
            eventLoopGroupProvider: .shared(group),
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

    func shutdown() async throws {
        try await client.shutdown()
        try await group.shutdownGracefully()
    }

    /// Sends a request once and reads the whole answer. Throws `GatewayClientError` for all but 2xx and 304.
    func send(_ call: GatewayCall) async throws -> GatewayAnswer {
        var request = HTTPClientRequest(url: address.url(call.path, query: call.query))
        request.method = call.method
        request.headers = fields(of: call, id: newRequestID())
        if let body = call.body { request.body = .bytes(ByteBuffer(bytes: body)) }
        do {
            // This deadline of AsyncHTTPClient's ends with the head of the answer.
            let response = try await client.execute(request, timeout: patience)
            let body = try await response.body.collect(upTo: settings.longestAnswer)
            return try answer(response.status, response.headers, body, to: call)
        } catch {
            throw named(error, call)
        }
    }

    /// Sends the request for a file once, and reads the head of the answer. Throws `GatewayClientError` for all but 200 and 206.
    func open(_ call: GatewayCall) async throws -> OpenedFile {
        do {
            var call = call
            // `TE` is for the next hop, and says so (RFC 9110, 10.1.4).
            call.headers += [("accept-encoding", "identity"), ("te", "trailers"), ("connection", "TE")]
            let id = newRequestID()
            let (url, fields) = (address.url(call.path, query: call.query), fields(of: call, id: id))
            let request = try HTTPClient.Request(url: url, method: call.method, headers: fields)
            let receiver = FileReceiver(on: group.any(), limit: settings.longestAnswer)
            receivers[id] = receiver
            defer { receivers[id] = nil }
            let task = client.execute(request: request, delegate: receiver)
            task.futureResult.whenFailure { receiver.failed($0) }
            switch try await answer(of: receiver, task) {
            case .file(let head):
                return OpenedFile(head: DownloadHead(head), requestID: id, receiver: receiver, task: task)
            case .other(let head, let body):
                // Always an error: a file is asked for without `If-None-Match`.
                let answer = try answer(head.status, head.headers, body, to: call)
                throw GatewayClientError.unexpectedAnswer("\(call.label) was answered with \(answer.status).")
            }
        } catch {
            throw named(error, call)
        }
    }

    /// Waits for the head of an answer, or for the whole answer where it is no file, and no longer than `patience`.
    private func answer(
        of receiver: FileReceiver,
        _ task: HTTPClient.Task<Void>
    ) async throws -> FileReceiver.Answer {
        // A deadline of AsyncHTTPClient's would be one for all bytes.
        let deadline = task.eventLoop.scheduleTask(in: patience) { task.fail(reason: HTTPClientError.deadlineExceeded) }
        defer { deadline.cancel() }
        return try await withTaskCancellationHandler {
            try await receiver.answer.get()
        } onCancel: {
            task.cancel()
        }
    }

    private var patience: TimeAmount {
        .milliseconds((settings.connectTimeout + settings.silenceTimeout).milliseconds)
    }

    private func fields(of call: GatewayCall, id: String) -> HTTPHeaders {
        var fields: HTTPHeaders = ["x-request-id": id, "user-agent": "export-gateway"]
        if let key { fields.add(name: "authorization", value: key.bearer) }
        for (name, value) in call.headers { fields.add(name: name, value: value) }
        if call.body != nil { fields.add(name: "content-type", value: "application/json") }
        return fields
    }

    private func newRequestID() -> String { random.newID(at: time.now()).description }

    private func named(_ error: any Error, _ call: GatewayCall) -> any Error {
        if error is NIOTooManyBytesError {
            return GatewayClientError.unexpectedAnswer("The answer to \(call.label) is larger than any of a gateway.")
        }
        return TransportError.named(error, address)
    }

    private func answer(
        _ status: HTTPResponseStatus,
        _ fields: HTTPHeaders,
        _ buffer: ByteBuffer,
        to call: GatewayCall
    ) throws(GatewayClientError) -> GatewayAnswer {
        let (status, body) = (Int(status.code), Array(buffer.readableBytesView))
        switch status {
        case 200..<300, 304: return GatewayAnswer(status: status, headers: fields, body: body)
        case 300..<400:
            let place = fields.first(name: "location") ?? "another address"
            throw .unexpectedAnswer(
                "\(address) redirects to \(place.prefix(512)), and the key is not sent there: give that address as the server."
            )
        default:
            let id = fields.first(name: "x-request-id").map { String($0.prefix(64)) }
            throw .refused(
                GatewayProblem(status: status, body: body, requestID: id, retryAfter: fields.retryAfter)
            )
        }
    }
}
