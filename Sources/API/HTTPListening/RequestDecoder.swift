import NIOCore
import NIOHTTP1

/// Decodes requests, also after one that asks for another protocol.
///
/// NIO's decoder (`HTTPDecoder` of swift-nio) reads nothing more after a request with `Connection: Upgrade` and `Upgrade`, or
/// after `CONNECT`: it expects that the server changes the protocol. No server here does so. A server may ignore `Upgrade`, and
/// the connection goes on as before (RFC 9110, 7.8). So the stopped decoder is replaced by a new one, which continues with the
/// byte after that request.
final class RequestDecoder: ByteToMessageDecoder {
    typealias InboundOut = HTTPServerRequestPart

    private let limits: NIOHTTPDecoderLimitConfiguration
    private let requests: UpgradeRequests
    private var decoder: HTTPRequestDecoder

    /// - Parameter requests: Set by an `UpgradeWatch` just above, for each request that this decoder reads.
    init(limits: NIOHTTPDecoderLimitConfiguration, requests: UpgradeRequests) {
        self.limits = limits
        self.requests = requests
        decoder = HTTPRequestDecoder(leftOverBytesStrategy: .dropBytes, limitConfiguration: limits)
    }

    func decoderAdded(context: ChannelHandlerContext) { decoder.decoderAdded(context: context) }

    func decoderRemoved(context: ChannelHandlerContext) { decoder.decoderRemoved(context: context) }

    func decode(context: ChannelHandlerContext, buffer: inout ByteBuffer) throws -> DecodingState {
        repeat {
            _ = try decoder.decode(context: context, buffer: &buffer)
        } while replaceIfStopped(context) && buffer.readableBytes > 0
        return .needMoreData
    }

    func decodeLast(
        context: ChannelHandlerContext,
        buffer: inout ByteBuffer,
        seenEOF: Bool
    ) throws -> DecodingState {
        if buffer.readableBytes > 0 { _ = try decode(context: context, buffer: &buffer) }
        return try decoder.decodeLast(context: context, buffer: &buffer, seenEOF: seenEOF)
    }

    private func replaceIfStopped(_ context: ChannelHandlerContext) -> Bool {
        guard requests.haveStoppedDecoder else { return false }
        requests.haveStoppedDecoder = false
        decoder.decoderRemoved(context: context)
        decoder = HTTPRequestDecoder(leftOverBytesStrategy: .dropBytes, limitConfiguration: limits)
        decoder.decoderAdded(context: context)
        return true
    }
}

@available(*, unavailable)
extension RequestDecoder: Sendable {}
