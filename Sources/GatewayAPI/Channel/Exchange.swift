/// What is going on between a client and us on one HTTP/1.1 connection: the decisions of `ConnectionHandler`, without its
/// channel.
struct Exchange {
    /// The requests that were read and not yet answered, oldest first; whether each is a `HEAD`.
    private var unanswered: [Bool] = []
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
    }

    /// What to do with a part that came in.
    enum ReadAction: Hashable {
        case forward
        case drop
        /// Forward it, then close: the upload that was answered early has ended.
        case forwardAndClose
    }

    /// A request begins.
    mutating func readHead(isHead: Bool) -> ReadAction {
        if isBroken || isClosing { return .drop }
        unanswered.append(isHead)
        isReading = true
        return .forward
    }

    /// A request's body goes on.
    func readBody() -> ReadAction { isBroken ? .drop : .forward }

    /// A request ends.
    mutating func readEnd() -> ReadAction {
        if isBroken { return .drop }
        isReading = false
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

    /// A final answer begins. Returns whether it must say that the connection ends with it: the rest of an upload that
    /// nobody wants is not read for ever.
    mutating func writeHead() -> Bool {
        if unanswered.count == 1, isReading { isClosing = true }
        return isClosing
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
        let isHead = unanswered.isEmpty ? false : unanswered.removeFirst()
        guard unanswered.isEmpty else { return EndAction(isHead: isHead, closes: false) }
        let failure = self.failure
        self.failure = nil
        if failure != nil { isClosing = true }
        return EndAction(isHead: isHead, closes: isClosing && failure == nil, failure: failure)
    }
}
