import NIOHTTP1

/// The bytes of requests that a connection holds: the decisions of `RequestBytesHandler`, without its channel.
///
/// Bytes count from their arrival until their request is answered. A body that a route reads is counted by its reader instead.
/// Where several requests are under way, all bytes count until the last of them is answered.
struct RequestBytes: Sendable {
    /// The bytes that belong to the cost of any connection, and are not charged.
    static let allowance = 4 << 10
    /// About how many bytes are read of a body that no route reads yet, and of what follows requests under way.
    static let readAhead = 16 << 10
    /// The memory for each received byte: for the decoded text, for the buffer that it is decoded from, which grows by doubling, and
    /// for the allocator's overhead. Measured (`Capacity, Memory`).
    static let cost = 3
    /// The least bytes that a part counts: a waiting part takes memory, however short it is.
    static let leastOfPart = 64

    /// The parts that the decoder has made.
    struct Seen: Sendable, Hashable {
        enum Part: Sendable {
            case head, body, end
        }

        var hasHead = false
        var last: Part?
        var parts = 0

        /// Another part came.
        mutating func note(_ part: HTTPServerRequestPart) {
            parts += 1
            switch part {
            case .head:
                hasHead = true
                last = .head
            case .body: last = .body
            case .end: last = .end
            }
        }
    }

    /// The bytes of a head that has not ended.
    private(set) var unfinished = 0
    /// The bytes of the head of the first request under way.
    private var first = 0
    /// The bytes of what came after it.
    private var behind = 0
    private var isBusy = false
    /// A head came whose request has not ended.
    private var isInRequest = false
    private var isBodyWanted = false
    /// There was no memory for all of it.
    private(set) var isShort = false

    /// The memory to reserve: nothing for most connections, most of the time.
    var charge: Int {
        let held = unfinished + first + behind
        return held <= Self.allowance ? 0 : held * Self.cost
    }

    /// Whether nothing more is read until a request is answered, or a body is asked for.
    var isFull: Bool {
        isBusy && !isBodyComing && behind + unfinished > (isShort ? 0 : Self.readAhead)
    }

    /// Whether only an unfinished head is held, and no request is being answered on this connection.
    var isHeadAlone: Bool { !isBusy && unfinished > 0 }

    /// Whether the trailers of a body are longer than what is held of them.
    var isTrailerTooLong: Bool { isBodyComing && behind > Self.readAhead }

    private var isBodyComing: Bool { isBodyWanted && isInRequest }

    /// Counts bytes that were received.
    ///
    /// - Parameters:
    ///   - seen: The parts that the decoder made of these bytes and of those before.
    ///   - isBusy: Whether a request is being answered now.
    mutating func read(_ count: Int, _ seen: Seen, isBusy: Bool) {
        let wasBusy = self.isBusy
        self.isBusy = isBusy
        if seen.hasHead { isBodyWanted = false }
        let count = max(count, seen.parts * Self.leastOfPart)
        let isInHead = seen.last == nil && !isInRequest
        if let last = seen.last { isInRequest = last != .end }
        if !isBusy { (first, behind) = (0, 0) }
        if isInHead {
            unfinished += count
        } else if isBusy {
            // If the decoder has made no part of the bytes, they may be trailers, which it keeps.
            let isRead = isBodyWanted && seen.last != nil
            let own = seen.hasHead ? unfinished + count : isRead ? 0 : count
            if wasBusy { behind += own } else { first = own }
            unfinished = 0
        } else {
            unfinished = 0
        }
    }

    /// A route reads the body of the newest request, and counts it.
    mutating func wantBody() {
        isBodyWanted = isInRequest
        behind = 0
        isShort = false
    }

    /// Records whether there is memory for everything that is held. If not, nothing more is held.
    mutating func reserved(all: Bool) { isShort = !all }

    /// Updates whether a request is being answered: one that had to wait may have begun.
    mutating func update(isBusy: Bool) { self.isBusy = isBusy }

    /// Nothing that comes is held any more.
    mutating func stop(isBusy: Bool) {
        unfinished = 0
        ended(isBusy: isBusy)
    }

    /// An answer has ended.
    mutating func ended(isBusy: Bool) {
        self.isBusy = isBusy
        isShort = false
        if !isBusy { (first, behind) = (0, 0) }
    }
}
