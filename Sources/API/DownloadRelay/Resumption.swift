import Exports

/// Decides how to resume a file when the upstream broke off. It has no clock, no network and no bytes.
///
/// Bytes that were sent cannot be taken back, so the rest must belong to the same file. There are two ways to know that:
///
/// - The upstream guarantees it: it was asked for the rest under the strong validator of the first answer, and its answer
///   begins at the right place, with the same validator and the same complete length.
/// - The bytes prove it: the file is read again from where reading began, and the digest of that part equals the digest of what
///   was read before. Nothing is sent until then.
///
/// An upstream that says by its validator or its length that the file has changed is never asked again.
struct Resumption: Sendable {
    /// The limits of resuming.
    struct Limits: Sendable, Hashable {
        /// The most attempts without enough progress between them, and at most two before the first byte; 0 for none at all.
        var attempts = 6
        /// The new bytes after which the attempts are counted from the beginning. When the file has to be read again, it is at
        /// least an eighth of what is read again, so that the cost is a bounded multiple of the file.
        var minimumProgress: Int64 = 1 << 20
        /// The wait before the first attempt. It doubles with each further one.
        var firstWait = Duration.milliseconds(250)
        /// The longest wait. An upstream that asks for a longer one ends the attempts.
        var longestWait = Duration.seconds(30)
    }

    /// What to do after a break.
    enum Step: Sendable, Hashable {
        /// Wait, then open the file again, or the part of it.
        case reopen(FileRange?, after: Duration)
        case giveUp
    }

    /// What to do with an answer.
    enum Verdict: Sendable, Hashable {
        /// Its first byte is the next one.
        case goOn
        /// It begins here, at or before the first byte that was ever read: the digest must prove it.
        case prove(from: Int64)
        /// It cannot be used, but another answer may be.
        case refuse
        /// It is another file.
        case changed
    }

    /// The place in the file of the first byte that was read.
    let origin: Int64
    /// The place of the last requested byte; nil for the end of the file.
    let last: Int64?
    let facts: FileFacts
    private let limits: Limits
    private var attempts = 0
    /// The position when the attempts were last counted from the beginning.
    private var mark: Int64
    /// Whether the upstream has served all requested parts correctly so far.
    private var trustsRanges = true

    init(origin: Int64, last: Int64?, facts: FileFacts, limits: Limits) {
        self.origin = origin
        self.last = last
        self.facts = facts
        self.limits = limits
        mark = origin
    }

    /// The bytes broke off, or could not be requested again, when everything before `position` had been read.
    ///
    /// - Parameters:
    ///   - isRetryable: Whether another attempt may succeed.
    ///   - retryAfter: The wait that the upstream asks for.
    mutating func brokeOff(at position: Int64, isRetryable: Bool, retryAfter: Duration? = nil) -> Step {
        let range = rest(from: position)
        let isContinued = range.map { $0.first == position } ?? false
        let progress = isContinued ? limits.minimumProgress : max(limits.minimumProgress, (position - origin) / 8)
        if position - mark >= progress {
            mark = position
            attempts = 0
        }
        // Before the first byte, the client waits and can still get an error, so there are fewer attempts.
        let allowed = position == origin ? min(limits.attempts, 2) : limits.attempts
        guard isRetryable, attempts < allowed else { return .giveUp }
        let wait = max(limits.firstWait * (1 << min(attempts, 16)), retryAfter ?? .zero)
        if let retryAfter, retryAfter > limits.longestWait { return .giveUp }
        attempts += 1
        return .reopen(range, after: min(wait, limits.longestWait))
    }

    /// The part to request; nil for the whole file.
    private func rest(from position: Int64) -> FileRange? {
        guard trustsRanges else { return nil }
        let isAtEnd = position == facts.size || last.map { position > $0 } ?? false
        if let validator = facts.validator, position > 0, !isAtEnd {
            return FileRange(first: position, last: last, validator: validator)
        }
        guard origin > 0 else { return nil }
        return FileRange(first: origin, last: last, validator: facts.validator)
    }

    /// The upstream could not serve the requested part (416): from now on, the whole file is requested.
    mutating func partWasRefused() { trustsRanges = false }

    /// An upstream answered; everything before `position` has been read.
    mutating func answered(_ head: FileBody.Head, at position: Int64) -> Verdict {
        guard let coding = ContentCoding(upstream: head.contentEncoding) else { return .changed }
        if let old = facts.validator, let new = head.validator, old != new { return .changed }
        let start = head.range?.first ?? 0
        // Only for unencoded bytes: the length of an encoded body is not that of the file, and a part of it is not a part of
        // the file.
        if coding == .identity {
            let length = head.range.map(\.completeLength) ?? head.contentLength
            if let old = facts.size, let length, old != length { return .changed }
        } else if head.range != nil {
            trustsRanges = false
            return .refuse
        }
        if start == position, facts.validator != nil, head.validator == facts.validator { return .goOn }
        if start <= origin { return .prove(from: start) }
        trustsRanges = false
        return .refuse
    }
}
