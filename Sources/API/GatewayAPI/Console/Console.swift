import Exports
import HTTPFields
import HTTPTypes
import Hummingbird
import JSON
import NIOCore

/// The console: the page at `/console` and its files below it.
///
/// It is no part of the interface that `openapi.yaml` describes, and has no routes there. It holds no data and asks for no
/// credential: what people see in it, the page reads as the caller who signs in.
struct Console: Sendable {
    /// The settings, as the page reads them.
    private let document: [UInt8]
    private let policy: String

    /// What there is below `/console`.
    enum Resource: Sendable {
        case file(ConsoleFile)
        case settings
        /// `/console/`, below which the page's relative addresses would mean something else.
        case slash

        /// The path for metrics and logs.
        var pattern: String {
            switch self {
            case .file: "/console/{file}"
            case .settings: "/console/settings.json"
            case .slash: "/console/"
            }
        }
    }

    init(_ settings: ConsoleSettings, api: APISettings) {
        document = Self.document(settings, api)
        policy = Self.policy(settings)
    }

    /// The resource of a path; nil for every path that is not the console's. Spelled in one way only, as other paths are.
    func resource(at segments: [RequestTarget.Segment]) -> Resource? {
        guard segments.first?.raw == "console" else { return nil }
        switch segments.count {
        case 1: return ConsoleFile.all[ConsoleFile.page].map(Resource.file)
        case 2 where segments[1].raw.isEmpty: return .slash
        case 2 where segments[1].raw == "settings.json": return .settings
        case 2 where segments[1].raw != ConsoleFile.page[...]:
            return ConsoleFile.all[String(segments[1].raw)].map(Resource.file)
        default: return nil
        }
    }

    /// The answer to a request. Throws `methodNotAllowed` for anything but GET and HEAD.
    func answer(_ request: Request, for resource: Resource) throws(GatewayError) -> Response {
        guard request.method == .get || request.method == .head else {
            throw GatewayError(
                .methodNotAllowed,
                "This resource has GET, HEAD only.",
                members: .allow(["GET", "HEAD"])
            )
        }
        var response: Response
        switch resource {
        case .file(let file):
            let known = try RequestFields(request.headers).list(.ifNoneMatch, atMost: 1024)
            let isKnown = known.map(file.entityTag.isNamed) ?? false
            response = Response(status: isKnown ? .notModified : .ok)
            response.headers[.eTag] = file.entityTag.field
            response.headers[.cacheControl] = "no-cache"
            if !isKnown {
                response.body = .init(byteBuffer: file.bytes)
                response.headers[.contentType] = file.contentType
            }
        case .settings:
            response = JSONAnswer.plain(document, cacheControl: "no-store")
        case .slash:
            response = Response(status: .permanentRedirect, headers: [.location: "../console"])
        }
        response.headers[.contentSecurityPolicy] = policy
        response.headers[.referrerPolicy] = "no-referrer"
        response.headers[.crossOriginOpenerPolicy] = "same-origin"
        response.headers[.crossOriginResourcePolicy] = "same-origin"
        return response
    }

    /// Nothing inline, nothing from elsewhere, and nothing that the page could be put into
    /// (https://www.w3.org/TR/CSP3, https://www.w3.org/TR/trusted-types).
    private static func policy(_ settings: ConsoleSettings) -> String {
        let authority = settings.entra.map { " " + $0.authority } ?? ""
        return [
            "default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self'",
            "connect-src 'self'\(authority)", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'none'",
            "require-trusted-types-for 'script'", "trusted-types 'none'",
        ]
        .joined(separator: "; ")
    }

    private static func document(_ settings: ConsoleSettings, _ api: APISettings) -> [UInt8] {
        let hasCallers = !api.apiKeys.isEmpty || api.tokenAuthority != nil || !api.clientCertificates.isEmpty
        return JSONWriter.object { writer in
            writer.member("anonymous", .bool(!hasCallers))
            writer.member("apiKeys", .bool(!api.apiKeys.isEmpty))
            writer.member("clientCertificates", .bool(!api.clientCertificates.isEmpty))
            writer.member("version", api.version)
            guard let entra = settings.entra else { return }
            let endpoints = "\(entra.authority)/\(entra.tenant)/oauth2/v2.0"
            writer.member(
                "entra",
                object: { writer in
                    writer.member("authorizationEndpoint", endpoints + "/authorize")
                    writer.member("tokenEndpoint", endpoints + "/token")
                    writer.member("clientId", entra.clientID)
                    writer.member("scope", entra.scope)
                }
            )
        }
    }
}

extension HTTPField.Name {
    fileprivate static let referrerPolicy = HTTPField.Name("Referrer-Policy")!
    fileprivate static let crossOriginOpenerPolicy = HTTPField.Name("Cross-Origin-Opener-Policy")!
}
