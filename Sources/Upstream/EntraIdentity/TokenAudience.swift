import Exports
import Foundation
import JSON
import SystemCrypto
import UpstreamHTTP

/// The audience of a caller's token, where it can be read: `aud` of an access token that is a JWT (RFC 9068, 2.2). It is not
/// verified. It prevents that a token for another service is sent to an upstream, which must not see it, and which would refuse it
/// without saying why.
enum TokenAudience {
    /// Microsoft's services whose tokens have either a name or an application id as audience
    /// (https://learn.microsoft.com/troubleshoot/entra/entra-id/governance/verify-first-party-apps-sign-in).
    private static let services: [(id: String, names: Set<String>)] = [
        (
            "00000003-0000-0000-c000-000000000000",
            [
                "https://graph.microsoft.com", "https://graph.microsoft.us", "https://dod-graph.microsoft.us",
                "https://microsoftgraph.chinacloudapi.cn",
            ]
        ),
        (
            "00000009-0000-0000-c000-000000000000",
            [
                "https://analysis.windows.net/powerbi/api", "https://analysis.usgovcloudapi.net/powerbi/api",
                "https://high.analysis.usgovcloudapi.net/powerbi/api",
                "https://mil.analysis.usgovcloudapi.net/powerbi/api",
                "https://analysis.chinacloudapi.cn/powerbi/api",
            ]
        ),
        ("b26e684c-5068-4120-a679-64a5d2c909d9", []),
        (
            "797f4846-ba00-4fd7-ba43-dac1f8f63013",
            ["https://management.azure.com", "https://management.core.windows.net"]
        ),
        ("00000002-0000-0000-c000-000000000000", ["https://graph.windows.net"]),
        ("00000002-0000-0ff1-ce00-000000000000", ["https://outlook.office365.com", "https://outlook.office.com"]),
    ]

    /// The token's audience, where it is certainly not the resource of `scope`; nil where it may be, or cannot be read.
    static func wrong(_ token: Secret, for scope: TokenScope) -> String? {
        guard let first = scope.rawValue.split(separator: " ").first, let slash = first.lastIndex(of: "/") else {
            return nil
        }
        let resource = normalized(String(first[..<slash]))
        let service = services.first { $0.id == resource || $0.names.contains(resource) }
        return wrong(token) { audience in
            if audience == resource || audience == service?.id { return false }
            return service != nil || isAService(audience)
        }
    }

    /// The token's audience, where it is certainly not the application; nil where it may be, or cannot be read. An application may have
    /// names besides its id.
    static func wrong(_ token: Secret, forApplication clientID: String) -> String? {
        let clientID = clientID.lowercased()
        return wrong(token) { audience in
            let id = audience.hasPrefix("api://") ? String(audience.dropFirst(6)) : audience
            if id == clientID { return false }
            return isAService(audience) || UUIDText.isValid(id)
        }
    }

    private static func wrong(_ token: Secret, _ isWrong: (String) -> Bool) -> String? {
        let audiences = audiences(of: token)
        guard let first = audiences.first, audiences.allSatisfy({ isWrong(normalized($0)) }) else { return nil }
        return String(first.prefix(128))
    }

    private static func isAService(_ audience: String) -> Bool {
        services.contains { $0.id == audience || $0.names.contains(audience) }
    }

    private static func normalized(_ name: String) -> String {
        String(name.lowercased().reversed().drop { $0 == "/" }.reversed())
    }

    private static func audiences(of token: Secret) -> [String] {
        let parts = token.reveal().split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 3, parts[1].utf8.count <= 64 << 10,
            let payload = Base64URL.decode(parts[1], paddingAllowed: true),
            let audience = (try? JSONValue(parsing: Data(payload)))?["aud"]
        else { return [] }
        return (audience.array ?? [audience]).compactMap(\.string).filter { !$0.isEmpty }
    }
}
