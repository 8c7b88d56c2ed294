import HTTPTypes
import Hummingbird
import NIOCore
import NIOHTTP1

/// Bytes that are written to a connection unchanged, without the HTTP encoder. The connection is closed after them.
struct RawAnswer {
    var bytes: ByteBuffer

    init(_ text: String) { bytes = ByteBuffer(string: text) }

    /// A whole answer, with the header fields about the body's length that `framing` requires.
    init(_ response: Response, framing: SandboxFraming) async throws {
        let body = try await CollectedBody.of(response.body)
        var fields = response.headers
        fields[.contentLength] = nil
        var head = "HTTP/1.1 \(response.status.code) \(response.status.reasonPhrase)\r\n"
        for field in fields { head += "\(field.name.canonicalName): \(field.value)\r\n" }
        let length = body.readableBytes
        head += "Content-Length: \(length)\r\n"
        switch framing {
        case .lengthTwice: head += "Content-Length: \(length)\r\n"
        case .differentLengths: head += "Content-Length: \(length + 1)\r\n"
        case .lengthAndChunked: head += "Transfer-Encoding: chunked\r\n"
        }
        bytes = ByteBuffer(string: head + "Connection: close\r\n\r\n")
        if framing == .lengthAndChunked {
            if length > 0 {
                bytes.writeString(String(length, radix: 16) + "\r\n")
                bytes.writeImmutableBuffer(body)
                bytes.writeString("\r\n")
            }
            bytes.writeString("0\r\n\r\n")
        } else {
            bytes.writeImmutableBuffer(body)
        }
    }

    func send(on channel: any Channel) async throws {
        let bytes = bytes
        try await channel.eventLoop
            .flatSubmit {
                let promise = channel.eventLoop.makePromise(of: Void.self)
                do {
                    let encoder = try channel.pipeline.syncOperations.context(handlerType: HTTPResponseEncoder.self)
                    encoder.writeAndFlush(NIOAny(IOData.byteBuffer(bytes)), promise: promise)
                } catch {
                    promise.fail(error)
                }
                return promise.futureResult
            }
            .get()
        try await channel.close()
    }
}

/// `struct linger` of sys/socket.h: on, for 0 seconds. Declared here, because the module with the C type is private to NIO.
private struct Linger {
    var onOff: Int32 = 1
    var seconds: Int32 = 0
}

extension Channel {
    /// Ends the connection without an answer; with `reset`, so that the other side sees a reset, not an end.
    func cut(reset: Bool) async throws {
        if reset, let options = self as? any SocketOptionProvider {
            try await options.unsafeSetSocketOption(level: .socket, name: .so_linger, value: Linger()).get()
        }
        try await close()
    }
}
