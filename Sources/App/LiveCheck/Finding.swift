public import UpstreamHTTP

/// What became of one statement of an article. Every text in it is the project's own.
public struct Finding: Sendable, Hashable {
    /// How the answers compare with the statement.
    public enum Outcome: String, Sendable, CaseIterable {
        /// Known, and the answers agree.
        case asDocumented = "as documented"
        /// Known or assumed, and the answers contradict.
        case differs
        /// Assumed or unknown until now, and the answers decide it.
        case decided
        /// No answer was about it.
        case notObserved = "not observed"
    }

    public var operation: String
    public var outcome: Outcome
    public var standing: Expectation.Standing
    public var claim: String
    public var citation: Citation
    /// Whether the statement is right; nil where it was not observed.
    public var isRight: Bool?
    /// What was seen, in words of closed lists and numbers.
    public var observed: String
    /// The configuration that fits, where there is a key for it.
    public var setting: String?

    /// Judges a statement by what was seen of it.
    init(_ operation: String, _ expectation: Expectation, _ seen: (isRight: Bool, text: String)?) {
        self.operation = operation
        standing = expectation.standing
        claim = expectation.claim
        citation = expectation.citation
        isRight = seen?.isRight
        observed = seen?.text ?? ""
        guard let seen else {
            outcome = .notObserved
            return
        }
        switch expectation.standing {
        case .known: outcome = seen.isRight ? .asDocumented : .differs
        case .assumed: outcome = seen.isRight ? .decided : .differs
        case .unknown:
            outcome = .decided
            setting = seen.isRight ? expectation.settingIfRight : expectation.settingIfWrong
        }
    }
}

/// What came when a part of a file was asked for.
public enum PartAnswer: String, Sendable, CaseIterable {
    case notAsked = "no part was asked for"
    case whole = "the whole file came"
    case sameBytes = "a part came, with the same bytes"
    case otherBytes = "a part came, with other bytes than the file has there"
}
