/// Tells an adapter which upstream jobs belong, or may belong, to other exports of the connection.
public struct OtherExports: Sendable {
    /// An export whose own start is under way or unconfirmed, also when it was given up or canceled in that state.
    public struct Unconfirmed: Sendable, Hashable {
        public var plan: ExportPlan
        public var marker: SubmissionMarker
        /// Whether the start was repeated since the time in the marker: its job may have been created at any later time.
        public var isRepeated: Bool

        /// Makes a record.
        public init(plan: ExportPlan, marker: SubmissionMarker, isRepeated: Bool = false) {
            self.plan = plan
            self.marker = marker
            self.isRepeated = isRepeated
        }
    }

    /// The claims of other exports on some jobs.
    public struct Claims: Sendable, Hashable {
        /// The ids that another export is bound to.
        public var boundIDs: Set<String>
        /// The exports that a job without a marker may belong to.
        public var unconfirmed: [Unconfirmed]

        /// Makes an answer.
        public init(boundIDs: Set<String> = [], unconfirmed: [Unconfirmed] = []) {
            self.boundIDs = boundIDs
            self.unconfirmed = unconfirmed
        }
    }

    private let ask: @Sendable (_ upstreamIDs: [String]) async throws -> Claims

    /// Makes a value that asks the engine; `ask` answers from one consistent state.
    public init(_ ask: @escaping @Sendable (_ upstreamIDs: [String]) async throws -> Claims) {
        self.ask = ask
    }

    /// There are no others.
    public static let none = OtherExports { _ in Claims() }

    /// The claims of other exports on jobs, by the jobs' ids in every spelling. Ask after the upstream's answer was read, so that
    /// a start that was made meanwhile is known. Throws `transient` when the claims cannot be read now.
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
