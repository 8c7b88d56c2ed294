import Exports
import Foundation
import JSON
import SystemCrypto
import UpstreamHTTP

/// For whom a token was issued that a caller has brought, as far as it tells: `aud` of an access token in the form of a JWT
/// (RFC 9068, 2.2). It is looked at, not verified: a token for another service would be refused there, in words that do
/// not say why, after it had been shown to somebody whom it does not concern.
enum TokenAudience {
    /// The services of Microsoft's that issue tokens under a name and an application id
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

    /// Whom the token is for, where that is surely not the resource of `scope`; nil where it may be, or tells nothing.
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

    /// Whom the token is for, where that is surely not the application; nil where it may be, or tells nothing. An application
    /// may have names of its own besides its id.
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
