/// The state of the one request and answer of a stream of HTTP/2: the decisions of `StreamHandler`, without its channel.
struct StreamExchange: Sendable {
    /// Whether the request's end has not come.
    private(set) var isReading = false
    private var hasHead = false
    private(set) var hasEnded = false
    /// Nothing that comes in is read any more.
    private var isOver = false

    /// Whether a part that comes in is passed on.
    var isPassedOn: Bool { !isOver }

    /// The request begins.
    mutating func readHead() {
        hasHead = true
        isReading = true
    }

    /// The request ends.
    mutating func readEnd() { isReading = false }

    /// What came is no request, or not one that can be read on.
    enum Refusal: Hashable {
        /// It is answered here, and nothing else is read.
        case answer
        /// A request is being answered. Its answer is broken off.
        case breakOff
        /// Its answer has ended.
        case nothing
    }

    /// Decides about a fault. ``readHead()`` was not called for a head with a fault; its body may follow all the same.
    mutating func refuse() -> Refusal {
        defer { isOver = true }
        if hasEnded || isOver { return .nothing }
        guard !hasHead else { return .breakOff }
        isReading = true
        return .answer
    }

    /// The answer has ended. True where its request has not: the rest of it is dropped, and then ended from here (RFC 9113, 8.1).
    mutating func writeEnd() -> Bool {
        hasEnded = true
        isOver = true
        return isReading
    }
}
