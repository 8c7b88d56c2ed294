import NIOCore
import NIOHTTP1

/// Checks what the codec above does not pass on of a request's head: the HTTP version, the number of `Host` fields, and the
/// transfer coding of the body.
///
/// HTTP/1.1 requires exactly one `Host`, and 400 for anything else (RFC 9112, 3.2): a proxy and a server could read two of them
/// differently.
final class RequestHeadHandler: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias InboundOut = HTTPServerRequestPart

    /// The transfer coding of the body is unknown (RFC 9112, 6.1).
    struct UnknownTransferCoding: Error {}

    private let onHead: (HTTPVersion) -> Void
    /// What came is no request: nothing that comes is read any more.
    private(set) var isOver = false
    /// The parts that came through since it was reset.
    var seen = RequestBytes.Seen()

    /// - Parameter onHead: Called with the version of each request, just before its head is passed on.
    init(onHead: @escaping (HTTPVersion) -> Void) {
        self.onHead = onHead
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !isOver else { return }
        let part = unwrapInboundIn(data)
        seen.note(part)
        if case .head(let head) = part {
            if let refusal = Self.refusal(of: head) {
                isOver = true
                context.fireErrorCaught(refusal)
                return
            }
            onHead(head.version)
        }
        context.fireChannelRead(data)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // After such an error, the decoder drops everything.
        if error is HTTPParserError { isOver = true }
        context.fireErrorCaught(error)
    }

    /// The error of a head; nil for one without a fault.
    private static func refusal(of head: HTTPRequestHead) -> (any Error)? {
        var (hosts, hasCoding) = (0, false)
        // Both are checked in one pass, because each field that is read copies two strings.
        for (name, value) in head.headers {
            switch name.utf8.count {
            case "host".utf8.count where name.lowercased() == "host":
                hosts += 1
                guard hosts == 1, isHost(value) else { return HTTPParserError.invalidHeaderToken }
            case "transfer-encoding".utf8.count where name.lowercased() == "transfer-encoding": hasCoding = true
            default: break
            }
        }
        guard hosts == 1 || head.version.isOld else { return HTTPParserError.invalidHeaderToken }
        return hasCoding ? refusalOfCodings(of: head) : nil
    }

    /// The error of the transfer codings of a body; nil for no coding, and for `chunked` alone. The parser below also accepts
    /// `chunked` as the last of several codings, and leaves the others to the reader of the body.
    ///
    /// Where `chunked` is not the last or occurs twice, and in HTTP/1.0, the end of the body is unknown (RFC 9112, 6.1 and 6.3).
    private static func refusalOfCodings(of head: HTTPRequestHead) -> (any Error)? {
        let codings = head.headers[canonicalForm: "transfer-encoding"].filter { !$0.isEmpty }.map { $0.lowercased() }
        guard !codings.isEmpty else { return nil }
        guard codings.firstIndex(of: "chunked") == codings.count - 1, !head.version.isOld else {
            return HTTPParserError.invalidHeaderToken
        }
        return codings.count == 1 ? nil : UnknownTransferCoding()
    }

    /// RFC 3986, 3.2: no user, and nothing that would be another part of an address. Empty is allowed.
    static func isHost(_ value: String) -> Bool {
        var value = value
        return value.withUTF8 { bytes in
            bytes.allSatisfy { byte in
                switch byte {
                case 0...0x20, 0x7F...: false
                case UInt8(ascii: "\""), UInt8(ascii: "#"), UInt8(ascii: "/"), UInt8(ascii: "<"), UInt8(ascii: ">"),
                    UInt8(ascii: "?"), UInt8(ascii: "@"), UInt8(ascii: "\\"), UInt8(ascii: "^"), UInt8(ascii: "`"),
                    UInt8(ascii: "{"), UInt8(ascii: "|"), UInt8(ascii: "}"), UInt8(ascii: ","):
                    false
                default: true
                }
            }
        }
    }
}

extension HTTPVersion {
    /// Older than HTTP/1.1: no chunked bodies, and a connection for each request.
    var isOld: Bool { (major, minor) < (1, 1) }
}

@available(*, unavailable)
extension RequestHeadHandler: Sendable {}
