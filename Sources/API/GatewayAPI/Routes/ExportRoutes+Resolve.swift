import HTTPFields
import Exports
import HTTPTypes
import Hummingbird

extension ExportRoutes {
    /// `resolveExport`
    func resolve(_ call: Call) async throws -> Response {
        let id = try call.exportID()
        try Self.checkType(of: call)
        let wanted = try call.fields.list(.ifMatch, atMost: 1024)
        let authorization = try authorization(of: call)
        let decision = try SubmissionBody(await bodies.bytes(of: call)).decision
        var revision: Int64?
        if let wanted {
            let export = try await service.export(
                id,
                owner: call.caller.owner,
                refresh: false,
                authorization: CallerAuthorization(caller: authorization.caller)
            )
            // Compared although the tag is weak: it names exactly one revision.
            guard EntityTag(of: export).isNamed(by: wanted) else {
                throw GatewayError(
                    .preconditionFailed,
                    "The export has changed in the meantime. Read it again before you decide."
                )
            }
            revision = export.revision
        }
        return answer(
            call,
            try await service.resolve(
                id,
                owner: call.caller.owner,
                as: decision,
                revision: revision,
                authorization: authorization
            )
        )
    }
}
