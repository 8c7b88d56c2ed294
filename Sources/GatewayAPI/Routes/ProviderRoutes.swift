import Exports
import Hummingbird

/// `/providers`: fixed for the life of the process.
struct ProviderRoutes: Sendable {
    let service: any ExportService

    /// `listProviders`
    func list() throws -> Response {
        JSONAnswer.perCaller(ProviderDocument.bytes(of: service.providers))
    }

    /// `getProvider`
    func get(_ call: Call) throws -> Response {
        guard let provider = service.providers.first(where: { $0.descriptor.id.rawValue == call.parameters["id"] })
        else {
            let known = service.providers.map(\.descriptor.id.rawValue).joined(separator: ", ")
            throw GatewayError(.notFound, "There is no provider with this id; known are \(known).")
        }
        return JSONAnswer.perCaller(ProviderDocument.bytes(of: provider))
    }
}
