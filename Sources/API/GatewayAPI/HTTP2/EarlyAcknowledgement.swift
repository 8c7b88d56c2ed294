import NIOCore

/// Lets the gateway's settings count from a client's first request on.
///
/// NIO goes by its own settings when the client has acknowledged them, and takes heads of 16 KiB at most before. A client may send its
/// first request earlier, and one with two long tokens has a longer head. So NIO gets an acknowledgement behind the client's own settings,
/// and the client's is taken out. That no client can tell: none of the settings allows less than holds without them (RFC 9113, 6.5.2).
struct EarlyAcknowledgement: Sendable {
    private static let headLength = 9
    private static let settings: UInt8 = 0x4
    private static let isAcknowledgement: UInt8 = 0x1
    private static let made: [UInt8] = [0, 0, 0, settings, isAcknowledgement, 0, 0, 0, 0]

    /// Whether the client has acknowledged the settings: everything is passed on as it is.
    private(set) var isOver = false
    private var isMade = false
    /// The bytes of the preface, and then of a frame, that are passed on as they are.
    private var left = Opening.preface.count
    private var isInSettings = false
    private var head: [UInt8] = []

    /// The bytes to decode for the bytes that came. The head of a frame is held until it is whole.
    mutating func passedOn(_ bytes: ByteBuffer) -> ByteBuffer {
        var (bytes, passed) = (bytes, ByteBuffer())
        passed.reserveCapacity(bytes.readableBytes + 2 * Self.headLength)
        while !isOver, bytes.readableBytes > 0 {
            if left > 0, var part = bytes.readSlice(length: min(left, bytes.readableBytes)) {
                left -= part.readableBytes
                passed.writeBuffer(&part)
            } else {
                let count = min(Self.headLength - head.count, bytes.readableBytes)
                head.append(contentsOf: bytes.readBytes(length: count) ?? [])
                guard head.count == Self.headLength else { break }
                began(&passed)
            }
            if left == 0, isInSettings {
                isInSettings = false
                passed.writeBytes(Self.made)
            }
        }
        passed.writeBuffer(&bytes)
        return passed
    }

    private mutating func began(_ passed: inout ByteBuffer) {
        let isSettings = head[3] == Self.settings
        let isClients = head[4] & Self.isAcknowledgement == 0
        let length = head[..<3].reduce(0) { $0 << 8 | Int($1) }
        if isSettings, !isClients, isMade, length == 0 {
            isOver = true
        } else {
            passed.writeBytes(head)
            left = length
            isInSettings = isSettings && isClients && !isMade
            if isInSettings { isMade = true }
        }
        head.removeAll(keepingCapacity: true)
    }
}
