/// A job in an upstream's list that has no marker, and matches what an unconfirmed start asked for.
public struct UnmarkedJob: Sendable, Hashable {
    /// The upstream's id, in every spelling that may be stored for it. The first is the list's own.
    public var ids: [String]
    /// By the upstream's clock.
    public var createdAt: Timestamp

    /// Makes a record.
    public init(ids: [String], createdAt: Timestamp) {
        self.ids = ids
        self.createdAt = createdAt
    }

    /// How much earlier than the beginning of an attempt its job may seem to have been created. A `Date` has whole seconds, and
    /// an upstream has many machines.
    public static let clockTolerance = Duration.seconds(2)
    /// The longest time from the beginning of an attempt to the creation of its job.
    public static let longestStart = Duration.seconds(900)

    /// Whether an attempt that began at `start` (by the upstream's clock), or a repetition of it, can have created the job.
    public func mayComeFrom(attemptAt start: Timestamp, isRepeated: Bool = false) -> Bool {
        createdAt >= start + (.zero - Self.clockTolerance) && (isRepeated || createdAt <= start + Self.longestStart)
    }

    /// The job of an unconfirmed start, where exactly one of `jobs` is possible. Nil when none is possible.
    ///
    /// Throws `ambiguous`, and names the jobs, where several are possible, or where the only one may belong to another
    /// unconfirmed start: one that `wantsTheSame` and began before the job was created. Without `isWholeList` the list may lack
    /// a job, so that no job is known to be the only one.
    ///
    /// - Parameters:
    ///   - earliest: When the attempt began, by the upstream's clock. An older job does not belong to it.
    ///   - upstreamTime: Converts a time of our clock to the upstream's clock.
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
                "The job \(ids) may be this export's, but there are more jobs than the gateway reads. An operator has to decide."
            )
        }
        return job
    }
}
