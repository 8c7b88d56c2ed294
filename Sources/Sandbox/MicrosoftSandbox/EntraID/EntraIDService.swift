import Hummingbird

/// Entra ID: the token endpoint and what the authority tells about itself (`Upstream-EntraID, Token endpoint` and
/// `Upstream-EntraID, Access tokens`).
struct EntraIDService: SandboxService {
    static let routes: [RouteTable.Route] = [
        .init("POST {tenant}/oauth2/v2.0/token", .token),
        .init("GET {tenant}/v2.0/.well-known/openid-configuration", .configuration),
        .init("GET {tenant}/.well-known/openid-configuration", .configurationV1),
        .init("GET {tenant}/discovery/v2.0/keys", .keys),
        .init("GET common/discovery/instance", .instance),
        .init("GET {tenant}/discovery/keys", .keysV1),
    ]

    let world: World
    let call: Call

    var subjects: [String] { call.operation == .token ? TokenEndpoint(world: world, call: call).subjects : [] }
    var throttled: Response { EntraAnswer(world: world, call: call).error(.throttled) }

    static func errorBody(_ words: String) -> String {
        #"{"error":"invalid_client","error_description":"AADSTS7000215: Invalid client secret provided: \#(words)","#
            + #""error_codes":[7000215]}"#
    }

    func answer() -> Response {
        call.operation == .token
            ? TokenEndpoint(world: world, call: call).answer() : Discovery(world: world, call: call).answer()
    }
}

extension Operation {
    static let token = entra("token", .token)
    static let configuration = entra("configuration")
    static let configurationV1 = entra("configurationV1")
    static let keys = entra("keys")
    static let keysV1 = entra("keysV1")
    static let instance = entra("instance")

    private static func entra(_ call: String, _ role: Role = .read) -> Operation {
        Operation("entra." + call, role, service: "entra-id", aliases: ["entra-id"])
    }
}
