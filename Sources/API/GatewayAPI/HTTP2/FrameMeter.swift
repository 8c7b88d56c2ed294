import NIOCore

/// Follows the frames of a connection (RFC 9113, 4.1) in its bytes, before they are decoded.
///
/// NIO's decoder does not tell how much it holds of a head that has not ended, and does not count frames that it drops.
struct FrameMeter: Sendable {
    /// What began in some bytes.
    struct Seen: Hashable, Sendable {
        /// Heads of requests, or trailers.
        var heads = 0
        /// Frames that bring nothing on, and that NIO does not count.
        var idle = 0
    }

    private static let headLength = 9
    /// Each frame of a body that waits for its reader takes about as much memory beside its bytes.
    static let smallestData = 64

    /// The bytes of a head that has not ended. Nothing else can come on the connection before its end (RFC 9113, 6.10).
    private(set) var unfinished = 0
    /// The bytes that are no head of a frame: of the connection's preface, and then of frames.
    private var skipped = Opening.preface.count
    private var head: [UInt8] = []
    /// Whether the frame is a part of a request's head, and the last one.
    private var isOfHead = false
    private var endsHead = false

    /// Reads on.
    mutating func read(_ bytes: ByteBuffer) -> Seen {
        var (bytes, seen) = (bytes, Seen())
        while bytes.readableBytes > 0 {
            if skipped > 0 {
                let count = min(skipped, bytes.readableBytes)
                bytes.moveReaderIndex(forwardBy: count)
                skipped -= count
                if isOfHead { unfinished += count }
                if skipped == 0 { ended() }
            } else {
                let count = min(Self.headLength - head.count, bytes.readableBytes)
                head.append(contentsOf: bytes.readBytes(length: count) ?? [])
                if head.count == Self.headLength { began(&seen) }
            }
        }
        return seen
    }

    private mutating func began(_ seen: inout Seen) {
        let (type, flags) = (head[3], head[4])
        skipped = head[..<3].reduce(0) { $0 << 8 | Int($1) }
        head.removeAll(keepingCapacity: true)
        isOfHead = false
        switch type {
        case 0x0:
            // `DATA` of few bytes that does not end anything. A window of them would take many times the memory of the window.
            if skipped < Self.smallestData, flags & 0x1 == 0 { seen.idle += 1 }
        case 0x1, 0x9:
            // `HEADERS` and `CONTINUATION`, with the flag `END_HEADERS`.
            if type == 0x1 { seen.heads += 1 } else if skipped == 0 { seen.idle += 1 }
            isOfHead = true
            endsHead = flags & 0x4 != 0
        case 0x2, 0x3, 0x4, 0x5, 0x6:
            // `PRIORITY`, `RST_STREAM`, `SETTINGS`, `PUSH_PROMISE` and `PING`: NIO counts or refuses them.
            break
        default:
            // `GOAWAY`, `WINDOW_UPDATE`, and what is unknown.
            seen.idle += 1
        }
        if skipped == 0 { ended() }
    }

    /// All bytes of a frame have come.
    private mutating func ended() {
        if isOfHead, endsHead { unfinished = 0 }
    }
}

/// How many frames may still come that bring nothing on.
///
/// A client announces that it has read bytes of an answer with two frames at most for each frame of data, or for each 4 KiB. So each
/// frame of data that is sent allows for more of them, as each request does. What is left without these is for clients that are
/// honest in their own way.
///
/// What answers allow for adds up: a client that has read nothing for a while, or many streams of it, announces megabytes at once.
struct FrameAllowance: Sendable {
    /// For each request.
    static let ofRequest = 20
    /// For each frame of data, and the bytes that allow for one more.
    static let ofFrame = 4
    static let bytesOfOne = 512
    /// What a stream costs that is refused: its client was told how many it may open.
    static let costOfRefusal = 3
    /// The most that answers allow for at a time: as many as 128 MiB bring, enough to announce 512 MiB twice in steps of 4 KiB.
    static let mostOfAnswers = 1 << 18

    let most: Int
    private(set) var left: Int

    init(most: Int) {
        (self.most, left) = (most, most)
    }

    /// Frames came, or a stream was refused. False where there were too many.
    mutating func spend(_ count: Int) -> Bool {
        left -= count
        return left >= 0
    }

    /// Requests began.
    mutating func began(_ requests: Int) { earn(requests * Self.ofRequest, upTo: most) }

    /// A frame with bytes of an answer was sent.
    mutating func sent(_ bytes: Int) {
        earn(Self.ofFrame + bytes / Self.bytesOfOne, upTo: max(most, Self.mostOfAnswers))
    }

    private mutating func earn(_ count: Int, upTo most: Int) { left = max(left, min(most, left + count)) }
}
