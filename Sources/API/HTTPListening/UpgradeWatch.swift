import NIOCore
import NIOHTTP1

/// Tells the decoder of a connection about the requests that it has read.
final class UpgradeRequests {
    /// A request has ended after which NIO's decoder reads nothing more.
    var haveStoppedDecoder = false
}

/// Detects, just above the decoder, each request that stops it.
final class UpgradeWatch: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias InboundOut = HTTPServerRequestPart

    private let requests: UpgradeRequests
    private var isUpgrade = false

    init(requests: UpgradeRequests) { self.requests = requests }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head): isUpgrade = head.stopsDecoder
        case .body: break
        case .end:
            if isUpgrade { requests.haveStoppedDecoder = true }
            isUpgrade = false
        }
        context.fireChannelRead(data)
    }
}

extension HTTPRequestHead {
    /// Whether NIO's decoder stops after this request: `CONNECT`, and an `Upgrade` that `Connection` names.
    ///
    /// It follows the rules of llhttp, which NIO uses, not those of RFC 9110: `Proxy-Connection` counts as `Connection`, a tab
    /// after the word makes it another word, and an empty `Upgrade` does not count. A decoder that is replaced although it
    /// reads on would lose its part of the next request; a test compares both for thousands of spellings.
    var stopsDecoder: Bool {
        if method == .CONNECT { return true }
        guard headers["upgrade"].contains(where: { $0.utf8.contains { $0 != 0x20 && $0 != 0x09 } }) else {
            return false
        }
        return (headers["connection"] + headers["proxy-connection"])
            .contains { field in
                field.utf8.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false)
                    .contains { element in
                        let word = element.drop { $0 == 0x20 || $0 == 0x09 }
                        guard let last = word.lastIndex(where: { $0 != 0x20 }) else { return false }
                        return word[...last].elementsEqual("upgrade".utf8) { $0 | 0x20 == $1 }
                    }
            }
    }
}

@available(*, unavailable)
extension UpgradeRequests: Sendable {}

@available(*, unavailable)
extension UpgradeWatch: Sendable {}
