import NIOCore
import NIOPosix
import Synchronization
import TestSupport
import WebhookTransport
import Webhooks

/// A DNS server on loopback (RFC 1035, 4) that answers each question with one address.
struct NameServer {
    let port: Int
    /// The names that were asked for.
    let questions: Events<String>
    private let channel: any Channel

    /// - Parameter answer: The address for the question with this number.
    static func start(_ answer: @escaping @Sendable (Int) -> String) async throws -> NameServer {
        let questions = Events<String>()
        let channel = try await DatagramBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(Answering(questions, answer))
                }
            }
            .bind(host: "127.0.0.1", port: 0)
            .get()
        return NameServer(port: channel.localAddress?.port ?? 0, questions: questions, channel: channel)
    }

    func stop() async throws { try await channel.close() }

    private final class Answering: ChannelInboundHandler {
        typealias InboundIn = AddressedEnvelope<ByteBuffer>
        typealias OutboundOut = AddressedEnvelope<ByteBuffer>

        private let questions: Events<String>
        private let answer: @Sendable (Int) -> String

        init(_ questions: Events<String>, _ answer: @escaping @Sendable (Int) -> String) {
            (self.questions, self.answer) = (questions, answer)
        }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            let envelope = unwrapInboundIn(data)
            let question = Array(envelope.data.readableBytesView)
            var (labels, place) = ([String](), 12)
            while question[place] > 0 {
                let length = Int(question[place])
                labels.append(String(decoding: question[(place + 1)...].prefix(length), as: UTF8.self))
                place += 1 + length
            }
            let index = questions.add(labels.joined(separator: "."))
            guard let address = try? SocketAddress(ipAddress: answer(index), port: 0) else { return }
            let bytes = address.bytes
            // A response with one question and one answer, whose name is that of the question.
            var message = Array(question.prefix(2)) + [0x84, 0, 0, 1, 0, 1, 0, 0, 0, 0]
            message += question[12..<(place + 5)]
            message += [0xC0, 12, 0, bytes.count == 4 ? 1 : 28, 0, 1, 0, 0, 0, 0, 0, UInt8(bytes.count)] + bytes
            context.writeAndFlush(
                wrapOutboundOut(
                    AddressedEnvelope(remoteAddress: envelope.remoteAddress, data: ByteBuffer(bytes: message))
                ),
                promise: nil
            )
        }
    }
}

/// Asks a `NameServer` for each call.
struct NameServerResolver: WebhookResolver {
    let port: Int

    func addresses(of name: String, port: Int) async throws(WebhookSendFailure) -> [SocketAddress] {
        do {
            let group = MultiThreadedEventLoopGroup.singleton
            let promise = group.next().makePromise(of: [UInt8].self)
            let channel = try await DatagramBootstrap(group: group)
                .channelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture {
                        try channel.pipeline.syncOperations.addHandler(Reading(promise))
                    }
                }
                .bind(host: "127.0.0.1", port: 0)
                .get()
            let labels = name.split(separator: ".").flatMap { [UInt8($0.utf8.count)] + $0.utf8 }
            let question: [UInt8] = [1, 2, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0] + labels + [0, 0, 255, 0, 1]
            let server = try SocketAddress(ipAddress: "127.0.0.1", port: self.port)
            try await channel.writeAndFlush(AddressedEnvelope(remoteAddress: server, data: ByteBuffer(bytes: question)))
            let message = try await promise.futureResult.get()
            try await channel.close()
            // The last field of the only answer is the address.
            let bytes = Array(message[(question.count + 12)...])
            return [try SocketAddress(packedIPAddress: ByteBuffer(bytes: bytes), port: port)]
        } catch {
            throw .unresolved
        }
    }

    private final class Reading: ChannelInboundHandler {
        typealias InboundIn = AddressedEnvelope<ByteBuffer>

        private let promise: EventLoopPromise<[UInt8]>

        init(_ promise: EventLoopPromise<[UInt8]>) { self.promise = promise }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            promise.succeed(Array(unwrapInboundIn(data).data.readableBytesView))
        }

        func channelInactive(context: ChannelHandlerContext) {
            promise.fail(ChannelError.eof)
            context.fireChannelInactive()
        }
    }
}

extension SocketAddress {
    /// The 4 or 16 bytes of an address.
    fileprivate var bytes: [UInt8] {
        withSockAddr { address, size in
            let all = UnsafeRawBufferPointer(start: address, count: size)
            return self.protocol == .inet ? Array(all[4..<8]) : Array(all[8..<24])
        }
    }
}
