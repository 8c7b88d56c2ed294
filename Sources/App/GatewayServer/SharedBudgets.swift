import EntraIdentity
import Exports
import Logging
import Metrics
import Pacing
import UpstreamHTTP

/// The request budgets of a configuration: what Microsoft allows is for an application in a tenant and a family of APIs, so that
/// connections of one application and provider share one budget. The smallest that is configured for one of them counts for
/// all. A tenant has many names (its id, each of its domains), and the gateway cannot know which of them belong to one tenant: so
/// connections of one application in several tenants share a budget too.
///
/// Where callers bring their own tokens, nobody knows for which application: such a connection has a budget of its own.
struct SharedBudgets: Sendable {
    private struct Owner: Hashable, Sendable {
        var provider: ProviderID
        /// The application or the identity; for `passThrough`, the connection.
        var identity: [String]

        init(_ connection: ConnectionConfiguration) {
            provider = connection.provider
            identity =
                switch connection.credential {
                case .application(let application):
                    ["application", application.clientID.lowercased()]
                case .managedIdentity(let managed): ["managed identity"] + Self.words(managed.identity)
                case .passThrough: ["connection", connection.name]
                }
        }

        private static func words(_ identity: ManagedIdentity.Identity) -> [String] {
            switch identity {
            case .systemAssigned: ["of the system"]
            case .clientID(let id): ["client", id.lowercased()]
            case .objectID(let id): ["object", id.lowercased()]
            case .resourceID(let id): ["resource", id.lowercased()]
            }
        }

        /// Such as `power-bi application 00000000-0000-0000-0000-000000000000` or `power-bi connection bi`.
        var name: String { ([provider.rawValue] + identity).joined(separator: " ") }
    }

    private let owners: [String: Owner]
    private let budgets: [Owner: CallBudget]

    init(
        _ connections: [ConnectionConfiguration],
        time: any TimeSource,
        logger: Logger,
        metrics: any MetricsFactory
    ) {
        owners = Dictionary(uniqueKeysWithValues: connections.map { ($0.name, Owner($0)) })
        budgets = Dictionary(grouping: connections, by: { Owner($0) })
            .mapValues { sharing in
                let name = sharing.map(\.name).joined(separator: "+")
                let configured = sharing.map(\.budget)
                let smallest = Self.smallest(sharing)
                if Set(configured).count > 1 {
                    logger.warning(
                        "Connections of one application share one request budget: the smallest requestsPerMinute counts for all",
                        metadata: [
                            "connections": .string(name),
                            "requestsPerMinute": .string(smallest.map { String($0.count) } ?? "0"),
                        ]
                    )
                }
                return CallBudget(smallest, name: name, time: time, metrics: metrics)
            }
    }

    /// The state of the budgets that have a limit.
    var statuses: [BudgetStatus] {
        budgets.compactMap { owner, shared in
            guard let budget = shared.budget else { return nil }
            let usage = shared.usage
            return BudgetStatus(
                provider: owner.provider,
                connections: owners.filter { $0.value == owner }.keys.sorted(),
                budget: budget,
                limit: usage.limit ?? budget.count,
                used: usage.used,
                queueLength: usage.queueLength,
                nextPlaceIn: usage.nextPlaceIn
            )
        }
        .sorted { ($0.provider.rawValue, $0.connections[0]) < ($1.provider.rawValue, $1.connections[0]) }
    }

    /// The smallest budget of the connections that share one with a connection, this one included; nil where none has a limit.
    static func smallest(
        of connection: ConnectionConfiguration,
        among connections: [ConnectionConfiguration]
    ) -> RequestBudget? {
        let owner = Owner(connection)
        return smallest(connections.filter { Owner($0) == owner })
    }

    private static func smallest(_ sharing: [ConnectionConfiguration]) -> RequestBudget? {
        sharing.compactMap(\.budget).min { $0.count < $1.count }
    }

    /// Changes the budgets to those of the same connections in another configuration. A budget keeps its limit, or stays without one:
    /// see `ReloadObstacles`.
    func resize(to connections: [ConnectionConfiguration]) {
        for (owner, sharing) in Dictionary(grouping: connections, by: { Owner($0) }) {
            guard let shared = budgets[owner], let smallest = Self.smallest(sharing), smallest != shared.budget else {
                continue
            }
            shared.resize(to: smallest)
        }
    }

    /// The name of each connection's lease group, by the connection's name: the connections that share a budget. It is made of
    /// the provider and of whose budget it is, so that all replicas have the same name for it, after a restart too. No secret.
    var leaseNames: [String: String] { owners.mapValues(\.name) }

    /// The budgets by the names of their lease groups.
    var byLease: [String: CallBudget] {
        Dictionary(uniqueKeysWithValues: budgets.map { ($0.key.name, $0.value) })
    }

    /// The budget of a connection; nil for one that is not in the configuration.
    func budget(of connection: ConnectionConfiguration) -> CallBudget? {
        owners[connection.name].flatMap { budgets[$0] }
    }
}
