/// Is told of the answers that a client receives, before the adapter reads them. For the check against the live service, which
/// compares them with what the articles say.
///
/// An answer holds ids, names and links: whatever an observer keeps or shows of it must hold none. It is called on the task of the
/// call, and returns at once.
public protocol AnswerObserver: Sendable {
    /// A whole answer to `send`, whatever its status. Each attempt counts.
    func received(_ answer: UpstreamResponse, to operation: String)

    /// The head of an answer to `download`, of redirects too.
    func opened(status: Int, headers: UpstreamHeaders, of operation: String)
}
