import NIOCore

/// Counts how often a connection is read.
final class ReadCounter: ChannelOutboundHandler {
    typealias OutboundIn = IOData

    private(set) var count = 0

    func read(context: ChannelHandlerContext) {
        count += 1
        context.read()
    }
}
