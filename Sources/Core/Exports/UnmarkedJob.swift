/// A job in an upstream's list that carries no marker, and is what an unconfirmed start asked for.
public struct UnmarkedJob: Sendable, Hashable {
    /// The upstream's id, in every spelling that it may have been written down in; the first is the list's own.
    public var ids: [String]
    /// By the upstream's clock.
    public var createdAt: Timestamp

    /// Makes a record.
    public init(ids: [String], createdAt: Timestamp) {
        self.ids = ids
        self.createdAt = createdAt
    }

    /// How much earlier than the beginning of an attempt its job may seem to have been created: a `Date` has whole seconds, and
    /// an upstream is many machines.
    public static let clockTolerance = Duration.seconds(2)
    /// How long after the beginning of an attempt its job may be created.
    public static let longestStart = Duration.seconds(900)

    /// Whether an attempt that began at `start`, by the upstream's clock, or one that repeated it can have created the job.
    public func mayComeFrom(attemptAt start: Timestamp, isRepeated: Bool = false) -> Bool {
        createdAt >= start + (.zero - Self.clockTolerance) && (isRepeated || createdAt <= start + Self.longestStart)
    }

    /// The job of an unconfirmed start, where nothing but one of `jobs` can be it. Nil when none comes into question.
    ///
    /// Throws `ambiguous`, naming the jobs, where several come into question, or one that may be the job of another
    /// unconfirmed start: of one that `wantsTheSame` and began before the job was created. Without `isWholeList` a job may be
    /// unseen, so that none is known to be the only one.
    ///
    /// - Parameters:
    ///   - earliest: When the attempt began, by the upstream's clock: an older job is not its own.
    ///   - upstreamTime: A time of ours by the upstream's clock.
    public static func only(
        of jobs: [UnmarkedJob],
        since earliest: Timestamp,
        isWholeList: Bool,
        others: OtherExports,
        upstreamTime: (Timestamp) -> Timestamp,
        wantsTheSame: (OtherExports.Unconfirmed) -> Bool
    ) async throws(ProviderError) -> UnmarkedJob? {
        let young = jobs.filter { $0.createdAt >= earliest + (.zero - clockTolerance) }
        guard !young.isEmpty else { return nil }
        let claims = try await others.claims(on: young.flatMap(\.ids))
        let free = young.filter { claims.boundIDs.isDisjoint(with: $0.ids) }
        guard let job = free.first else { return nil }
        let ids = free.map { $0.ids.first ?? "" }.sorted().joined(separator: ", ")
        guard free.count == 1 else {
            throw ProviderError(
                .ambiguous,
                "Several jobs may be this export's, and nothing tells which: \(ids). An operator has to decide."
            )
        }
        let rivals = claims.unconfirmed.filter { other in
            wantsTheSame(other)
                && job.mayComeFrom(
                    attemptAt: other.marker.upstreamNotBefore ?? upstreamTime(other.marker.notBefore),
                    isRepeated: other.isRepeated
                )
        }
        guard rivals.isEmpty else {
            throw ProviderError(
                .ambiguous,
                "The job \(ids) may be this export's, or that of another one whose start is unconfirmed. An operator has to decide."
            )
        }
        guard isWholeList else {
            throw ProviderError(
                .ambiguous,
                "The job \(ids) may be this export's, but there are more jobs than the gateway looks through. An operator has to decide."
            )
        }
        return job
    }
}
