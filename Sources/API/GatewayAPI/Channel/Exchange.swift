/// What is going on between a client and us on one HTTP/1.1 connection: the decisions of `ConnectionHandler`, without its
/// channel.
struct Exchange {
    /// A request that was read and not yet answered.
    private struct Request {
        var isHead: Bool
        /// HTTP/1.0: the connection ends with the answer, and nothing may come in chunks.
        var isOld: Bool
    }

    /// Oldest first.
    private var unanswered: [Request] = []
    /// The body of the newest request is still coming.
    private var isReading = false
    /// The connection ends with the answer under way.
    private var isClosing = false
    /// What was wrong with bytes that are no request; answered when its turn comes.
    private var failure: Failure?
    /// Nothing that comes in is looked at any more.
    private var isBroken = false

    /// Bytes that could not be read as a request.
    enum Failure: Hashable {
        case malformed
        case headerTooLarge
        /// There is no memory to read on.
        case noMemory
        /// The body comes in a coding that is not understood.
        case unknownTransferCoding
        /// No bytes at all, but an answer that HTTP/1.0 cannot carry.
        case needsHTTP11
    }

    /// Whether everything that came in was answered, and more may come.
    var isIdle: Bool { unanswered.isEmpty && !isReading && !isClosing && !isBroken && failure == nil }

    /// What to do with a part that came in.
    enum ReadAction: Hashable {
        case forward
        case drop
        /// Forward it, then close: the upload that was answered early has ended.
        case forwardAndClose
    }

    /// A request begins.
    mutating func readHead(isHead: Bool, isOld: Bool = false) -> ReadAction {
        if isBroken || isClosing { return .drop }
        unanswered.append(Request(isHead: isHead, isOld: isOld))
        isReading = true
        return .forward
    }

    /// A request's body goes on.
    func readBody() -> ReadAction { isBroken ? .drop : .forward }

    /// A request ends.
    mutating func readEnd() -> ReadAction {
        if isBroken { return .drop }
        isReading = false
        // After it the connection ends: what follows is no request.
        if unanswered.last?.isOld == true { isBroken = true }
        return isClosing && unanswered.isEmpty ? .forwardAndClose : .forward
    }

    /// Bytes came that are no request. Says what to answer now, if anything.
    ///
    /// With `inBody`, the error belongs to the request that is being handled: it must be forwarded.
    mutating func readFailure(_ failure: Failure) -> (answerNow: Failure?, inBody: Bool) {
        if isBroken { return (nil, false) }
        if isReading { return (nil, true) }
        isBroken = true
        if unanswered.isEmpty {
            isClosing = true
            return (failure, false)
        }
        self.failure = failure
        return (nil, false)
    }

    /// What to do at the beginning of an answer.
    struct HeadAction: Hashable {
        /// It must say that the connection ends with it.
        var closes: Bool
        /// It must not be sent.
        var isRefused = false
    }

    /// A final answer begins. The connection ends with it when the request is old, and when the rest of an upload is still
    /// coming that nobody wants: that is not read for ever.
    ///
    /// Without a length it would go out in chunks, which HTTP/1.0 does not know: its client would take their marks for
    /// the file's bytes, and without them could not tell the end from a break (RFC 9112, 6.1 and 6.3).
    mutating func writeHead(hasLength: Bool = true) -> HeadAction {
        let isOld = unanswered.first?.isOld ?? false
        if unanswered.count == 1, isReading { isClosing = true }
        if isOld { isClosing = true }
        return HeadAction(closes: isClosing, isRefused: isOld && !hasLength && unanswered.first?.isHead == false)
    }

    /// What to do at the end of an answer.
    struct EndAction: Hashable {
        /// Answers to `HEAD` have no end on the wire: NIO's encoder would write that of a chunked body.
        var isHead: Bool
        var closes: Bool
        /// The answer to what came after the last request.
        var failure: Failure?
    }

    /// An answer ends.
    mutating func writeEnd() -> EndAction {
        let isHead = unanswered.isEmpty ? false : unanswered.removeFirst().isHead
        guard unanswered.isEmpty else { return EndAction(isHead: isHead, closes: false) }
        let failure = self.failure
        self.failure = nil
        if failure != nil { isClosing = true }
        return EndAction(isHead: isHead, closes: isClosing && failure == nil, failure: failure)
    }
}
