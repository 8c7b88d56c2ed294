import CallerIdentity
import Exports
import Hummingbird

/// `/providers`: fixed for the life of the process, except for the state of the request budgets. A caller sees only the
/// connections that it may use.
struct ProviderRoutes: Sendable {
    let service: any ExportService
    let budgets: @Sendable () -> [BudgetStatus]

    /// `listProviders`
    func list(_ call: Call) throws -> Response {
        let providers = service.providers.map { Self.seen($0, by: call.caller) }
        return JSONAnswer.perCaller(ProviderDocument.bytes(of: providers, budgets: budgets()))
    }

    /// `getProvider`
    func get(_ call: Call) throws -> Response {
        guard let provider = service.providers.first(where: { $0.descriptor.id.rawValue == call.parameters["id"] })
        else {
            let known = service.providers.map(\.descriptor.id.rawValue).joined(separator: ", ")
            throw GatewayError(.notFound, "There is no provider with this id; known are \(known).")
        }
        return JSONAnswer.perCaller(
            ProviderDocument.bytes(of: Self.seen(provider, by: call.caller), budgets: budgets())
        )
    }

    private static func seen(_ provider: ConfiguredProvider, by caller: Caller) -> ConfiguredProvider {
        ConfiguredProvider(descriptor: provider.descriptor, connections: caller.usable(of: provider))
    }
}
