import CallerIdentity
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
        let viewer = try viewer(of: call)
        let decision = try SubmissionBody(await bodies.bytes(of: call)).decision
        var revision: Int64?
        if let wanted {
            // Without the token: nothing is done with it before the decision is accepted.
            let export = try await service.export(id, for: call.viewer, refresh: false)
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
            try await service.resolve(id, for: viewer, as: decision, revision: revision)
        )
    }
}
