/// What the engine knows of its other exports on a connection: which upstream jobs are theirs, or may be.
public struct OtherExports: Sendable {
    /// An export whose own start is under way or unconfirmed, also one that was given up or canceled so.
    public struct Unconfirmed: Sendable, Hashable {
        public var plan: ExportPlan
        public var marker: SubmissionMarker
        /// Whether the start was made again since the moment that the marker names: its job may be of any later time.
        public var isRepeated: Bool

        /// Makes a record.
        public init(plan: ExportPlan, marker: SubmissionMarker, isRepeated: Bool = false) {
            self.plan = plan
            self.marker = marker
            self.isRepeated = isRepeated
        }
    }

    /// What other exports have to do with some jobs.
    public struct Claims: Sendable, Hashable {
        /// Those of the ids that another export is bound to.
        public var boundIDs: Set<String>
        /// A job without a marker may be one of theirs.
        public var unconfirmed: [Unconfirmed]

        /// Makes an answer.
        public init(boundIDs: Set<String> = [], unconfirmed: [Unconfirmed] = []) {
            self.boundIDs = boundIDs
            self.unconfirmed = unconfirmed
        }
    }

    private let ask: @Sendable (_ upstreamIDs: [String]) async throws -> Claims

    /// Makes the knowledge of an engine; `ask` answers from one moment.
    public init(_ ask: @escaping @Sendable (_ upstreamIDs: [String]) async throws -> Claims) {
        self.ask = ask
    }

    /// There are no others.
    public static let none = OtherExports { _ in Claims() }

    /// What others have to do with jobs, by the jobs' ids in every spelling. Asked after the upstream's answer was read: a
    /// start that was made meanwhile is known by then. Throws `transient` when it cannot be known now.
    public func claims(on upstreamIDs: [String]) async throws(ProviderError) -> Claims {
        do {
            return try await ask(upstreamIDs)
        } catch {
            throw ProviderError(
                .transient,
                "The gateway's ledger does not say which jobs are bound to other exports.",
                problem: .unavailable,
                cause: error
            )
        }
    }
}
