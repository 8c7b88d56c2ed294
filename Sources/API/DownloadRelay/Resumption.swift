import Exports

/// Decides how a file whose bytes broke off is gone on with: no clock, no network, no bytes.
///
/// What was handed on can never be taken back, so that the rest must be of the same bytes. There are two ways to know that:
///
/// - the upstream vouches for it: it was asked for the rest, under the strong validator that the first answer had, and its
///   answer begins where it should, names the same validator and the same complete length;
/// - the bytes show it: the file is read again from where reading began, and the digest of that part is the digest of what
///   was read before. Nothing is handed on until then.
///
/// An upstream that says by its validator or its length that the file is another one is never asked again.
struct Resumption: Sendable {
    /// How far it goes.
    struct Limits: Sendable, Hashable {
        /// So many attempts to go on without enough progress between them, and at most two before the first byte; 0: none
        /// at all.
        var attempts = 6
        /// So many new bytes make the attempts count from the beginning; for the second way at least an eighth of what has
        /// to be read again, so that reading again costs at most a bounded multiple of the file.
        var minimumProgress: Int64 = 1 << 20
        /// The wait before the first attempt; each further one doubles it.
        var firstWait = Duration.milliseconds(250)
        /// No wait is longer; an upstream that asks for a longer one ends it.
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
        /// Its first byte is the one that is wanted next.
        case goOn
        /// It begins here, at or before the first byte that was ever read: the digest has to tell.
        case prove(from: Int64)
        /// It is of no use, but another may be.
        case refuse
        /// It is another file.
        case changed
    }

    /// The place in the file of the first byte that was read.
    let origin: Int64
    /// The place of the last byte that is wanted; nil is the end of the file.
    let last: Int64?
    let facts: FileFacts
    private let limits: Limits
    private var attempts = 0
    /// How far it had come when the attempts were last counted from the beginning.
    private var mark: Int64
    /// Whether the upstream has not yet failed to serve a part as it should.
    private var trustsRanges = true

    init(origin: Int64, last: Int64?, facts: FileFacts, limits: Limits) {
        self.origin = origin
        self.last = last
        self.facts = facts
        self.limits = limits
        mark = origin
    }

    /// The bytes broke off, or could not be had again, when everything before `position` had been read.
    ///
    /// - Parameters:
    ///   - isRetryable: Whether the same may go well another time.
    ///   - retryAfter: The wait that the upstream asks for.
    mutating func brokeOff(at position: Int64, isRetryable: Bool, retryAfter: Duration? = nil) -> Step {
        let range = rest(from: position)
        let isContinued = range.map { $0.first == position } ?? false
        let progress = isContinued ? limits.minimumProgress : max(limits.minimumProgress, (position - origin) / 8)
        if position - mark >= progress {
            mark = position
            attempts = 0
        }
        // As long as nothing was read there is somebody to be told, and a client that waits for the first byte.
        let allowed = position == origin ? min(limits.attempts, 2) : limits.attempts
        guard isRetryable, attempts < allowed else { return .giveUp }
        let wait = max(limits.firstWait * (1 << min(attempts, 16)), retryAfter ?? .zero)
        if let retryAfter, retryAfter > limits.longestWait { return .giveUp }
        attempts += 1
        return .reopen(range, after: min(wait, limits.longestWait))
    }

    /// The part to ask for; nil asks for the whole file.
    private func rest(from position: Int64) -> FileRange? {
        guard trustsRanges else { return nil }
        let isAtEnd = position == facts.size || last.map { position > $0 } ?? false
        if let validator = facts.validator, position > 0, !isAtEnd {
            return FileRange(first: position, last: last, validator: validator)
        }
        guard origin > 0 else { return nil }
        return FileRange(first: origin, last: last, validator: facts.validator)
    }

    /// The upstream could not serve the part that it was asked for (416): from now on, the whole file is asked for.
    mutating func partWasRefused() { trustsRanges = false }

    /// An upstream answered; everything before `position` has been read.
    mutating func answered(_ head: FileBody.Head, at position: Int64) -> Verdict {
        guard let coding = ContentCoding(upstream: head.contentEncoding) else { return .changed }
        if let old = facts.validator, let new = head.validator, old != new { return .changed }
        let start = head.range?.first ?? 0
        // The length of an encoding is not that of the file, and a part of an encoding is no part of the file.
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
