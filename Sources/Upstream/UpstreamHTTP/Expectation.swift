/// What the articles `Upstream-…` say of the answers to one kind of call, in a form that can be compared with answers. Each adapter
/// declares its own (`Live-Check`).
public struct CallExpectations: Sendable {
    /// The kind of call: `UpstreamRequest.operation`.
    public var operation: String
    /// The member that tells the state of the job; nil for answers that have none.
    public var state: StateWords?
    /// Members that the articles name, besides those of the expectations: they are no news.
    public var knownMembers: [String]
    public var expectations: [Expectation]

    /// Makes the expectations of a kind of call.
    public init(
        _ operation: String,
        state: StateWords? = nil,
        knownMembers: [String] = [],
        _ expectations: [Expectation]
    ) {
        self.operation = operation
        self.state = state
        self.knownMembers = knownMembers
        self.expectations = expectations
    }
}

/// The words for the state of a job: a closed list, so that they may be shown.
public struct StateWords: Sendable {
    /// The member's name.
    public var member: String
    /// Every word of the list, as the article spells it. Answers are compared without regard to case.
    public var words: [String]
    /// The words with which there are files.
    public var done: Set<String>
    /// The words of a job that has ended without files.
    public var failed: Set<String>

    /// Makes a list; each of `done` and `failed` stands in `words` too.
    public init(_ member: String, _ words: [String], done: Set<String>, failed: Set<String>) {
        self.member = member
        self.words = words
        self.done = done
        self.failed = failed
    }
}

/// One statement of an article about answers.
public struct Expectation: Sendable {
    /// How an article marks what it says (`Upstream-Graph`).
    public enum Standing: String, Sendable, CaseIterable {
        /// A page or a schema of Microsoft's says it.
        case known
        /// Users or authors of other clients report it, or we conclude it.
        case assumed
        /// No source was found. The statement may be right or wrong.
        case unknown
    }

    /// What of the answers the statement is about. Only answers with a 2xx status count, except for `status` and `addressTaken`.
    public enum Subject: Sendable, Hashable {
        /// Every answer has one of these statuses. 429 and 503 do not count: they ask to wait.
        case status(Set<Int>)
        /// Some answer has a 2xx status: the upstream knows addresses of this form. Besides those, only 400, 404 and 405 count: a
        /// refusal for another reason says nothing of the address.
        case addressTaken
        /// The answer has no body.
        case emptyBody
        /// The entity stands alone, and not inside the member `value`.
        case bareEntity
        /// The word for the state is one of the list.
        case knownState
        /// A member of the answer. The path has `/` between the names; the members of each element of an array are below the array.
        /// It has one of the forms where it is present.
        case member(String, Set<ValueForm>, Presence)
        /// A header field, by its name in lower case. It has all of the forms where it is present.
        case header(String, Set<HeaderForm>, Presence)
        /// The media type is one of these; `image/*` names all of a kind.
        case mediaType([String])
        /// Parts of the file are served to whoever asks for one. Not observed where none was asked for.
        case parts
    }

    /// In which answers something is present.
    public enum Presence: String, Sendable {
        case always
        /// In each answer whose state is one of `StateWords.done`.
        case whenDone
        /// In each answer on a job that has not ended.
        case beforeDone
        /// In some answers or none. Of an `unknown` statement: whether it is ever present is the question.
        case sometimes
        case never
    }

    public var standing: Standing
    public var citation: Citation
    /// The statement as a sentence.
    public var claim: String
    public var subject: Subject
    /// The configuration that fits where the statement is right, such as `ranges: true` of the connection.
    public var settingIfRight: String?
    /// The configuration that fits where it is wrong.
    public var settingIfWrong: String?

    private init(_ standing: Standing, _ citation: Citation, _ claim: String, _ subject: Subject) {
        (self.standing, self.citation, self.claim, self.subject) = (standing, citation, claim, subject)
    }

    /// What a page or a schema of Microsoft's says.
    public static func known(_ citation: Citation, _ claim: String, _ subject: Subject) -> Self {
        Self(.known, citation, claim, subject)
    }

    /// What the article assumes.
    public static func assumed(_ citation: Citation, _ claim: String, _ subject: Subject) -> Self {
        Self(.assumed, citation, claim, subject)
    }

    /// What the article does not know, as a statement that may be right or wrong.
    public static func unknown(
        _ citation: Citation,
        _ claim: String,
        _ subject: Subject,
        ifRight: String? = nil,
        ifWrong: String? = nil
    ) -> Self {
        var expectation = Self(.unknown, citation, claim, subject)
        (expectation.settingIfRight, expectation.settingIfWrong) = (ifRight, ifWrong)
        return expectation
    }
}

/// An article and one of its sections. A literal has it between backquotes, so that `Tests/citations` finds it.
public struct Citation: Sendable, Hashable, ExpressibleByStringLiteral, CustomStringConvertible {
    /// Such as `Upstream-Graph, Errors`, without the backquotes.
    public let description: String

    public init(stringLiteral value: String) {
        description = value.filter { $0 != "`" }
    }
}
