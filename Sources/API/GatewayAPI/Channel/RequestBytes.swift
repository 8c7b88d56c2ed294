import NIOHTTP1

/// What a connection holds of what its client has sent: the decisions of `RequestBytesHandler`, without its channel.
///
/// Bytes count from when they come until the request is answered that they belong to, except for bodies that somebody reads: those
/// count there. Where several requests are under way, all count until the last of them is answered.
struct RequestBytes: Sendable {
    /// So many are part of what any connection takes, and are not charged.
    static let allowance = 4 << 10
    /// So many are read of a body that nobody has asked for yet, and of what comes behind requests under way; about.
    static let readAhead = 16 << 10
    /// Bytes of memory for each byte that came: what is decoded, what it is decoded from, which grows by doubling, and the
    /// allocator's slack. Measured, see the design.
    static let cost = 3
    /// Each part counts as so many bytes at least: one that waits takes memory, however little is in it.
    static let leastOfPart = 64

    /// What came out of the decoder.
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

    /// Of a head that has not ended.
    private(set) var unfinished = 0
    /// Of the head of the first request under way.
    private var first = 0
    /// Of what came behind it.
    private var behind = 0
    private var isBusy = false
    /// A head came whose request has not ended.
    private var isInRequest = false
    private var isBodyWanted = false
    /// There was no memory for all of it.
    private(set) var isShort = false

    /// What is to be reserved: nothing for most connections, most of the time.
    var charge: Int {
        let held = unfinished + first + behind
        return held <= Self.allowance ? 0 : held * Self.cost
    }

    /// Whether no more is to be read until something is answered, or asked for.
    var isFull: Bool {
        isBusy && !isBodyComing && behind + unfinished > (isShort ? 0 : Self.readAhead)
    }

    /// Whether it is a head alone that is held: nobody is answered on this connection.
    var isHeadAlone: Bool { !isBusy && unfinished > 0 }

    /// Whether the trailers of a body that is read are more than is held of them.
    var isTrailerTooLong: Bool { isBodyComing && behind > Self.readAhead }

    private var isBodyComing: Bool { isBodyWanted && isInRequest }

    /// Bytes came.
    ///
    /// - Parameters:
    ///   - seen: What the decoder made of them and of those before.
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
            // Where nothing comes out, it may be trailers: the decoder holds them.
            let isRead = isBodyWanted && seen.last != nil
            let own = seen.hasHead ? unfinished + count : isRead ? 0 : count
            if wasBusy { behind += own } else { first = own }
            unfinished = 0
        } else {
            unfinished = 0
        }
    }

    /// Somebody reads the body of the newest request, and counts it.
    mutating func wantBody() {
        isBodyWanted = isInRequest
        behind = 0
        isShort = false
    }

    /// There is memory for all that is held, or not: then no more is held.
    mutating func reserved(all: Bool) { isShort = !all }

    /// A request may have begun since bytes came: one that had to wait.
    mutating func look(isBusy: Bool) { self.isBusy = isBusy }

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
