import NIOCore

/// What waits to be sent on one stream: the decisions of `EventStream`, without its lock and its task.
struct EventQueue {
    /// Why a stream ended. The raw value is the label `reason` of the metrics.
    enum End: String, Sendable, CaseIterable {
        /// The export is over, and its last state was sent.
        case complete
        /// The client has left.
        case client
        /// It lasted as long as a stream may.
        case lifetime
        /// The gateway is ending.
        case drain
        /// The caller's credential is not valid any more, or does not permit this any more.
        case caller
        /// A change cannot be read: the client has to come back for a snapshot.
        case gap
        /// The ledger did not answer.
        case failure
    }

    /// What to do next.
    enum Step {
        case send(EventFrame)
        /// More came than may wait. What was sent so far is followed by the ledger's rows up to this position.
        case catchUp(through: Int64)
        /// It is time to check the caller. It does not wait for what was added: a client that reads as slowly as changes come would
        /// never be checked.
        case check
        /// Everything was sent, and it is time for a heartbeat. Every change up to this position was sent, or is of no concern.
        case beat(Int64)
        case end(End)
    }

    /// The most bytes that wait.
    let limit: Int
    private var frames: [EventFrame] = []
    /// The frames before this one were taken.
    private var head = 0
    private(set) var bytes = 0
    /// The changes up to this position do not wait here, because there was no space for them.
    private var leftOutThrough: Int64?
    private var beat: Int64?
    private var isCheckDue = false
    private(set) var end: End?

    init(limit: Int) { self.limit = limit }

    /// Adds a change. Where too much would wait then, nothing waits any more: the stream has to catch up from the ledger.
    mutating func add(_ frame: EventFrame) {
        guard end == nil else { return }
        bytes += frame.text.readableBytes
        if leftOutThrough == nil, bytes <= limit { return frames.append(frame) }
        (frames, head, bytes) = ([], 0, 0)
        leftOutThrough = frame.position
    }

    /// Asks for a check of the caller at once, and for a heartbeat after everything that was added.
    mutating func beats(at position: Int64) { (beat, isCheckDue) = (position, true) }

    /// Ends the stream. What waits is not sent: the client gets it when it comes back. Only the first end counts.
    mutating func end(_ reason: End) {
        guard end == nil else { return }
        end = reason
        (frames, head, bytes, leftOutThrough, beat, isCheckDue) = ([], 0, 0, nil, nil, false)
    }

    /// Takes the next step; nil where there is none yet.
    mutating func next() -> Step? {
        if let end { return .end(end) }
        if isCheckDue {
            isCheckDue = false
            return .check
        }
        if let position = leftOutThrough {
            leftOutThrough = nil
            return .catchUp(through: position)
        }
        if head < frames.count {
            let frame = frames[head]
            head += 1
            bytes -= frame.text.readableBytes
            // A stream that waits keeps no memory for frames.
            if head == frames.count { (frames, head) = ([], 0) }
            return .send(frame)
        }
        guard let position = beat else { return nil }
        beat = nil
        return .beat(position)
    }
}
