import AsyncHTTPClient
import NIOCore
import NIOHTTP1

/// Why it cannot be known where an answer ends (RFC 9112, 6.3).
enum FramingFault: String, Error, Sendable {
    case differentLengths = "two lengths that differ"
    case lengthAndChunked = "a length and a transfer coding at once"
    case headTooLong = "a head that does not end"
    case bytesAfterTheEnd = "bytes after its end"
}

/// Reads the head of each answer before the decoder does. Two equal `Content-Length` fields become one (RFC 9112, 6.3), because the
/// decoder would refuse them. Lengths that differ, and a length together with a transfer coding, fail with an error that says so.
///
/// Bodies are passed on unchanged. Bytes that come while no request waits for an answer are no part of one, and end the connection.
final class ResponseFraming: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer

    private static let longestHead = 128 << 10

    /// Whether an answer's head comes next.
    private var awaitsHead = false
    /// Whether a request was sent whose answer has not ended.
    private var isInCall = false
    /// Whether an answer ended in the read that is under way.
    private var hasEnded = false
    /// The beginning of a head.
    private var held = ByteBuffer()

    /// Adds it before the decoder of a connection of the HTTP client. Call on the event loop of `channel`.
    static func add(to channel: any Channel) throws {
        let pipeline = channel.pipeline.syncOperations
        let decoder = try pipeline.handler(type: ByteToMessageHandler<HTTPResponseDecoder>.self)
        let framing = ResponseFraming()
        try pipeline.addHandler(framing, position: .before(decoder))
        try pipeline.addHandler(AnswerBoundaries(framing), position: .after(decoder))
    }

    /// A request is sent, so that a head comes next.
    func requestBegan() { (isInCall, awaitsHead) = (true, true) }

    func answerEnded() { (isInCall, hasEnded) = (false, true) }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard isInCall else { return context.fireErrorCaught(FramingFault.bytesAfterTheEnd) }
        guard awaitsHead else { return context.fireChannelRead(data) }
        var fresh = unwrapInboundIn(data)
        held.writeBuffer(&fresh)
        do throws(FramingFault) {
            guard let ready = try Self.ready(&held, &awaitsHead) else { return }
            if !awaitsHead { held = ByteBuffer() }
            context.fireChannelRead(wrapInboundOut(ready))
        } catch {
            awaitsHead = false
            held = ByteBuffer()
            context.fireErrorCaught(error)
        }
    }

    /// The decoder says nothing of bytes after an answer that are only the beginning of a head. An empty line ends a head, at which
    /// the decoder fails, because no call asked for it. Where no head has begun, the decoder skips the line.
    func channelReadComplete(context: ChannelHandlerContext) {
        if hasEnded {
            hasEnded = false
            context.fireChannelRead(wrapInboundOut(ByteBuffer(string: "\r\n\r\n")))
        }
        context.fireChannelReadComplete()
    }

    func channelInactive(context: ChannelHandlerContext) {
        if held.readableBytes > 0 {
            context.fireChannelRead(wrapInboundOut(held))
            held = ByteBuffer()
        }
        context.fireChannelInactive()
    }

    /// The heads that are complete, and the bytes after the last of them; nil when none is complete. `awaitsHead` becomes false with the
    /// head of the final answer, which may follow those of 1xx.
    static func ready(_ bytes: inout ByteBuffer, _ awaitsHead: inout Bool) throws(FramingFault) -> ByteBuffer? {
        var ready: ByteBuffer?
        while awaitsHead, let length = headLength(bytes.readableBytesView) {
            let head = Array(bytes.readBytes(length: length) ?? [])
            let status = head.drop { $0 != 0x20 }.dropFirst()
            // 101 is a final answer: after it, another protocol follows.
            awaitsHead = status.first == UInt8(ascii: "1") && !status.starts(with: "101".utf8)
            let clean = try cleaned(head)
            if ready == nil { ready = ByteBuffer() }
            ready?.writeBytes(clean)
        }
        if awaitsHead {
            guard bytes.readableBytes <= longestHead else { throw .headTooLong }
            bytes.discardReadBytes()
        } else {
            ready?.writeBuffer(&bytes)
        }
        return ready
    }

    /// The number of bytes up to the empty line, including it.
    private static func headLength(_ bytes: ByteBufferView) -> Int? {
        var index = bytes.startIndex
        while let lineEnd = bytes[index...].firstIndex(of: 0x0A) {
            var next = lineEnd + 1
            if next < bytes.endIndex, bytes[next] == 0x0D { next += 1 }
            if next < bytes.endIndex, bytes[next] == 0x0A { return next + 1 - bytes.startIndex }
            index = lineEnd + 1
        }
        return nil
    }

    /// The head with at most one `Content-Length`.
    private static func cleaned(_ head: [UInt8]) throws(FramingFault) -> [UInt8] {
        let lines = head.split(separator: 0x0A, omittingEmptySubsequences: false)
        var lengths: [Substring] = []
        var extra: Set<Int> = []
        var isCoded = false
        for (index, line) in lines.enumerated() where index > 0 {
            guard let colon = line.firstIndex(of: UInt8(ascii: ":")), colon - line.startIndex <= 32 else { continue }
            switch String(decoding: line[..<colon], as: UTF8.self).lowercased() {
            case "content-length":
                if !lengths.isEmpty { extra.insert(index) }
                let value = String(decoding: line[(colon + 1)...], as: UTF8.self)
                lengths += value.split(separator: ",").map { $0.trimming(" \t\r") }
            case "transfer-encoding": isCoded = true
            default: break
            }
        }
        guard !lengths.isEmpty else { return head }
        if isCoded { throw .lengthAndChunked }
        guard lengths.count > 1 else { return head }
        guard Set(lengths.map { Int64($0) }).count == 1 else { throw .differentLengths }
        var cleaned: [[UInt8]] = []
        for (index, line) in lines.enumerated() where !extra.contains(index) {
            let isLength = String(decoding: line.prefix(15), as: UTF8.self).lowercased() == "content-length:"
            cleaned.append(isLength ? Array("Content-Length: \(lengths[0])\r".utf8) : Array(line))
        }
        return Array(cleaned.joined(separator: [0x0A]))
    }
}
