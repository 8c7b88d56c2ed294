import CallerIdentity
import Exports
import HTTPTypes
import Hummingbird

extension ExportRoutes {
    /// Whether a request to delete an export asks for more than to cancel it. The permission was checked by the same parameter.
    static func asksForPurge(_ call: Call) throws(GatewayError) -> Bool {
        let query = try QueryParser(call.query, allowed: ["purge"])
        return try query.choice("purge", among: ["true", "false"]) == "true"
    }

    /// `cancelExport` with `purge=true`
    func purge(_ call: Call) async throws -> Response {
        try await service.purge(call.exportID(), for: call.viewer)
        return Response(status: .noContent, headers: [.cacheControl: "no-store"])
    }

    /// `retainExport` and `releaseExport`
    func setRetained(_ isRetained: Bool, _ call: Call) async throws -> Response {
        answer(call, try await service.setRetained(isRetained, call.exportID(), for: call.viewer))
    }
}
