import Exports
import Hummingbird

/// `/providers`: fixed for the life of the process, but that a caller sees the connections only that it may use.
struct ProviderRoutes: Sendable {
    let service: any ExportService

    /// `listProviders`
    func list(_ call: Call) throws -> Response {
        JSONAnswer.perCaller(ProviderDocument.bytes(of: service.providers.map { Self.seen($0, by: call.caller) }))
    }

    /// `getProvider`
    func get(_ call: Call) throws -> Response {
        guard let provider = service.providers.first(where: { $0.descriptor.id.rawValue == call.parameters["id"] })
        else {
            let known = service.providers.map(\.descriptor.id.rawValue).joined(separator: ", ")
            throw GatewayError(.notFound, "There is no provider with this id; known are \(known).")
        }
        return JSONAnswer.perCaller(ProviderDocument.bytes(of: Self.seen(provider, by: call.caller)))
    }

    private static func seen(_ provider: ConfiguredProvider, by caller: Caller) -> ConfiguredProvider {
        ConfiguredProvider(descriptor: provider.descriptor, connections: caller.usable(of: provider))
    }
}
