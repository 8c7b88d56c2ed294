/// The state of the requests and answers on one HTTP/1.1 connection: the decisions of `ConnectionHandler`, without its channel.
struct Exchange {
    /// A request that was read and not yet answered.
    private struct Request {
        var isHead: Bool
        /// HTTP/1.0: the connection ends with the answer, which must not be chunked.
        var isOld: Bool
    }

    /// Oldest first.
    private var unanswered: [Request] = []
    /// The body of the newest request is still coming.
    private var isReading = false
    /// The connection ends with the answer under way.
    private var isClosing = false
    /// The fault of bytes that are no request. It is answered after the requests before it.
    private var failure: Failure?
    /// Nothing that comes in is read any more.
    private var isBroken = false

    /// Bytes that could not be read as a request.
    enum Failure: Hashable {
        case malformed
        /// A request of HTTP/2 whose parts are missing or contradict each other.
        case malformedHead
        case headerTooLarge
        /// There is no memory to read on.
        case noMemory
        /// The transfer coding of the body is unknown.
        case unknownTransferCoding
        /// Not a fault of the request: an answer that HTTP/1.0 cannot carry.
        case needsHTTP11
    }

    /// Whether everything that came in was answered, and more may come.
    var isIdle: Bool { unanswered.isEmpty && !isReading && !isClosing && !isBroken && failure == nil }

    /// Whether everything that has come in ends with the end of a request.
    var isBetweenRequests: Bool { !isReading }

    /// What to do with a part that came in.
    enum ReadAction: Hashable {
        case forward
        case drop
        /// Forward it, then close: an upload that was answered early has ended.
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
        // The connection ends after an HTTP/1.0 request, so later bytes are not read as a request.
        if unanswered.last?.isOld == true { isBroken = true }
        return isClosing && unanswered.isEmpty ? .forwardAndClose : .forward
    }

    /// Bytes came that are no request. Returns what to answer now, if anything.
    ///
    /// With `inBody`, the error belongs to the request that is being handled, and must be forwarded.
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
        /// The answer must say that it ends the connection.
        var closes: Bool
        /// The answer must not be sent.
        var isRefused = false
    }

    /// A final answer begins. The connection ends with it when the request is HTTP/1.0, and when an unread upload is still
    /// coming, because that is not read without end.
    ///
    /// An answer without a length would be chunked, which HTTP/1.0 does not know. Its client would take the chunk sizes for
    /// bytes of the file, and without chunks could not tell the end from a broken connection (RFC 9112, 6.1 and 6.3).
    mutating func writeHead(hasLength: Bool = true) -> HeadAction {
        let isOld = unanswered.first?.isOld ?? false
        if unanswered.count == 1, isReading { isClosing = true }
        if isOld { isClosing = true }
        return HeadAction(closes: isClosing, isRefused: isOld && !hasLength && unanswered.first?.isHead == false)
    }

    /// What to do at the end of an answer.
    struct EndAction: Hashable {
        /// An answer to `HEAD` has no end on the wire: NIO's encoder would write the end of a chunked body.
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
