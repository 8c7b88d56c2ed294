import ExportEngine
import Exports
import Yams

extension RetentionSettings {
    private static let day = Duration.seconds(86_400)
    private static let decade = day * 3660

    /// Reads `retention`. No variable stands in for its keys: what deletes exports is in the file.
    init(_ node: Node?, _ environment: OperatorEnvironment) throws(StartupError) {
        self.init()
        var section = try ConfigurationSection(node, path: "retention", environment: environment)
        for var entry in try section.sections("rules") {
            let rule = try entry.retentionRule()
            try entry.finish()
            let isUsed = Self.subjects(of: rule)
                .contains { subject in !rules.contains { $0.isAbout(subject.provider, subject.status) } }
            guard isUsed else {
                throw entry.error("after", "is never used: rules before this one are about the same exports")
            }
            rules.append(rule)
        }
        changes = try section.age("changes", in: .seconds(3600)...Self.decade)
        tombstones = try section.age("tombstones", in: Self.day * 2...Self.decade)
        audit = try section.age("audit", in: Self.day...Self.decade)
        try section.finish()
        // A change of a purged export is told with what its tombstone says.
        if let tombstones {
            guard let changes, changes <= tombstones else {
                throw section.error(
                    "tombstones",
                    "must not be shorter than retention.changes, which must not be never then: changes are told with tombstones"
                )
            }
        }
    }

    /// Refuses changes that webhooks which are off for a while may still have to be told of.
    func refuse(
        _ webhooks: GatewayConfiguration.Webhooks,
        _ sealing: GatewayConfiguration.Sealing?
    ) throws(StartupError) {
        let hasWebhooks = webhooks.isEnabled != false && sealing != nil
        guard let changes, hasWebhooks, changes < webhooks.retention else { return }
        throw StartupError(
            "retention.changes",
            "must not be shorter than webhooks.retention: a webhook that is enabled again is told of what it has missed in that time. "
                + "Set webhooks.retention to less, or webhooks.enabled to false"
        )
    }

    /// What a rule is about.
    private static func subjects(of rule: Rule) -> [(provider: ProviderID, status: ExportStatus)] {
        Adapter.all.map(\.descriptor.id)
            .flatMap { provider in statuses.filter { rule.isAbout(provider, $0) }.map { (provider, $0) } }
    }
}

extension ConfigurationSection {
    fileprivate mutating func retentionRule() throws(StartupError) -> RetentionSettings.Rule {
        var rule = RetentionSettings.Rule(age: nil)
        if let name = try text("provider") {
            let known = Adapter.all.map(\.descriptor.id.rawValue)
            guard known.contains(name) else {
                throw error(
                    "provider",
                    "must be one of \(known.joined(separator: ", "))" + ObjectReader.suggestion(for: name, among: known)
                )
            }
            rule.provider = ProviderID(name)
        }
        let names = try texts("status")
        // It would be taken for every status.
        if names?.isEmpty == true {
            throw error("status", "has no value; leave the key out for every status that an export can end with")
        }
        for name in names ?? [] {
            let known = RetentionSettings.statuses.map(\.rawValue)
            guard known.contains(name), let status = ExportStatus(rawValue: name) else {
                throw error(
                    "status",
                    "must list statuses that an export can end with: \(known.joined(separator: ", "))"
                        + ObjectReader.suggestion(for: name, among: known)
                )
            }
            rule.statuses.insert(status)
        }
        _ = try requiredText("after")
        rule.age = try age("after", in: .seconds(1) ... .seconds(3660 * 86_400))
        return rule
    }

    /// A duration; nil for `never`, and where the key is left out.
    fileprivate mutating func age(_ name: String, in range: ClosedRange<Duration>) throws(StartupError) -> Duration? {
        guard let text = try text(name), text != "never" else {
            record(name, "never")
            return nil
        }
        guard let duration = Duration(configurationText: text), range.contains(duration) else {
            throw error(
                name,
                "must be never, or a duration such as 12h, 30d or 730d, from \(range.lowerBound) to \(range.upperBound)"
            )
        }
        record(name, "\(duration)")
        return duration
    }
}
