import CallerIdentity
import Exports
import NIOCore
import NIOEmbedded
import NIOSSL
import SystemCrypto

@testable import GatewayAPI

extension Visitor {
    /// The callers that client certificates prove, each by its subject.
    static var certificates: [ClientCertificate] {
        func holder(_ id: String, _ permissions: Permissions) -> ClientCertificate {
            ClientCertificate(id: id, mark: .subject("CN=\(id)"), permissions: permissions)
        }
        return [
            holder("archive", .ownExports), holder("reports", .ownExports), holder("dashboard", Permissions([.read])),
            holder("audit", Permissions([.readAll])), holder("audit-copy", Permissions([.readAll, .download])),
            holder("operations", .everything),
        ]
    }

    /// Everybody who comes with a client certificate, or over TLS without one.
    static func certificateHolders() async throws -> [Visitor] {
        let workshop = try CertificateWorkshop()
        for certificate in certificates { try workshop.issue(certificate.id, subject: "/CN=\(certificate.id)") }
        try workshop.issue("nobodys", subject: "/CN=nobody")
        let now = SystemTime().now()
        var channels: [String?: any Channel] = [:]
        for name in [nil, "nobodys"] + certificates.map({ Optional($0.id) }) {
            channels[name] = try await workshop.connection(showing: name)
        }
        func holder(
            _ name: String,
            showing certificate: String?,
            _ permissions: Permissions?,
            key: String? = nil,
            owner: String = "archive",
            isOwner: Bool = false,
            after wait: Duration = .zero
        ) -> Visitor {
            Visitor(
                name: name,
                credentials: key.map { ["Bearer \($0)"] } ?? [],
                permissions: permissions,
                isOwner: isOwner,
                owner: owner,
                channel: channels[certificate],
                now: now + wait
            )
        }
        return [
            holder("no certificate", showing: nil, nil),
            holder("nobody's certificate", showing: "nobodys", nil),
            holder("the owner's certificate, expired", showing: "archive", nil, after: .seconds(3 * 86_400)),
            holder("the owner's certificate and a wrong key", showing: "archive", nil, key: "not-a-key"),
            holder(
                "the owner's certificate and another caller's key",
                showing: "archive",
                .ownExports,
                key: "key-of-other"
            ),
            holder("owning certificate", showing: "archive", .ownExports, isOwner: true),
            holder("other certificate", showing: "reports", .ownExports),
            holder("certificate and the key holder's export", showing: "archive", .ownExports, owner: "owner"),
            holder("reading certificate", showing: "dashboard", Permissions([.read])),
            holder("auditing certificate", showing: "audit", Permissions([.readAll])),
            holder("downloading certificate", showing: "audit-copy", Permissions([.readAll, .download])),
            holder("administrating certificate", showing: "operations", .everything),
        ]
    }
}

extension CertificateWorkshop {
    /// The gateway's end of a connection in memory, after a handshake in which the client has shown a certificate.
    fileprivate func connection(showing certificate: String?) async throws -> any Channel {
        var settings = settings
        settings.clientAuthorityFile = path("ca.pem")
        let accepting = try TLSIdentity(settings, at: SystemTime().now()).context
        let connecting = try client(showing: certificate)
        let (server, client) = (NIOAsyncTestingChannel(), NIOAsyncTestingChannel())
        try await server.testingEventLoop.executeInContext {
            try server.pipeline.syncOperations.addHandler(NIOSSLServerHandler(context: accepting))
        }
        try await client.testingEventLoop.executeInContext {
            let handler = try NIOSSLClientHandler(context: connecting, serverHostname: "localhost")
            try client.pipeline.syncOperations.addHandler(handler)
        }
        let address = try SocketAddress(ipAddress: "127.0.0.1", port: 1)
        for channel in [server, client] { try await channel.connect(to: address).get() }
        var isMoving = true
        while isMoving {
            isMoving = false
            for (one, other) in [(client, server), (server, client)] {
                guard let bytes = try await one.readOutbound(as: ByteBuffer.self) else { continue }
                try await other.writeInbound(bytes)
                isMoving = true
            }
        }
        return server
    }
}
