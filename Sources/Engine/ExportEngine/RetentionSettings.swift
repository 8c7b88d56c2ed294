public import Exports

/// What is purged, and when. By default nothing is.
public struct RetentionSettings: Sendable, Hashable {
    /// After how long exports are purged that have ended with a status.
    public struct Rule: Sendable, Hashable {
        /// Nil for every provider.
        public var provider: ProviderID?
        /// Empty for every status that an export can end with.
        public var statuses: Set<ExportStatus>
        /// Counted from the end of the export; nil: such exports are kept.
        public var age: Duration?

        /// Makes a rule.
        public init(provider: ProviderID? = nil, statuses: Set<ExportStatus> = [], age: Duration?) {
            (self.provider, self.statuses, self.age) = (provider, statuses, age)
        }

        /// Whether it is about exports of a provider that have ended with a status.
        public func isAbout(_ provider: ProviderID, _ status: ExportStatus) -> Bool {
            (self.provider ?? provider) == provider && (statuses.isEmpty || statuses.contains(status))
        }
    }

    /// The statuses that an export can end with.
    public static let statuses: [ExportStatus] = ExportStatus.allCases.filter { $0.isTerminal || $0 == .unknown }

    /// The first rule that is about an export decides. Without one, the export is kept.
    public var rules: [Rule] = []
    /// After how long a change is not stored any more; nil: never.
    public var changes: Duration?
    /// After how long the tombstone of a purged export is deleted; nil: never. Not shorter than `changes`.
    public var tombstones: Duration?
    /// After how long a sealed row of the audit trail is deleted, where there is one; nil: never.
    public var audit: Duration?

    /// Nothing is purged.
    public init() {}

    /// After how long an export of a provider is purged that has ended with a status; nil: never.
    public func age(of provider: ProviderID, _ status: ExportStatus) -> Duration? {
        rules.first { $0.isAbout(provider, status) }?.age
    }

    /// Whether anything is deleted.
    public var isActive: Bool { shortest != nil }

    /// The shortest time after which anything is deleted; nil where nothing is.
    var shortest: Duration? { (rules.map(\.age) + [changes, tombstones, audit]).compactMap(\.self).min() }
}
