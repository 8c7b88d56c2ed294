import Exports
import HTTPTypes
import Hummingbird
import HummingbirdCore
import JSON
import NIOCore

/// `/_sandbox/…` on the API listener: the account, the secrets, the rules, and what the tenant knows of the application, for
/// callers on the same machine.
struct ControlPlane {
    let world: World

    func answer(_ request: Request, path: RequestPath, channel: any Channel) async throws -> Response {
        guard isLoopback(channel.remoteAddress) else { return Response(status: .forbidden) }
        let name = path.segments.dropFirst().joined(separator: "/")
        switch (request.method, name) {
        case (.get, "health"): return .json(.ok, ["status": "ok"])
        case (.get, "account"): return .json(.ok, world.account.json)
        case (.get, "secrets"):
            return .json(.ok, ["values": .array(world.tokens.secrets.map { .string($0) })])
        case (.post, "rules"):
            return addRule(try await json(request))
        case (.delete, "rules"):
            world.rules.removeAll()
            return Response(status: .noContent)
        case (.get, _): return read(name)
        case (.delete, _): return remove(name)
        case (.post, _):
            let authority = world.base(.api, calledBy: request.head.authority, on: .api)
            return create(name, try await json(request), authority: authority)
        default: return Response(status: .notFound)
        }
    }

    /// `null` for a body that is no JSON, which every reader of it refuses.
    private func json(_ request: Request) async throws -> JSONValue {
        let body = try await request.body.collect(upTo: 1 << 20)
        return (try? JSONValue(parsing: body.readableBytesView)) ?? .null
    }

    private func addRule(_ body: JSONValue) -> Response {
        switch SandboxRule.parse(body) {
        case .success(let rule):
            world.rules.add(rule)
            return Response(status: .noContent)
        case .failure(let problem): return refusal(problem.faults)
        }
    }

    func refusal(_ faults: [FieldFault]) -> Response {
        let faults = faults.map { fault -> JSONValue in
            ["pointer": .string(fault.pointer), "detail": .string(fault.detail)]
        }
        return .json(.badRequest, ["faults": .array(faults)])
    }

    private func isLoopback(_ address: SocketAddress?) -> Bool {
        guard let ip = address?.ipAddress else { return false }
        return ip.hasPrefix("127.") || ip == "::1" || ip.hasPrefix("::ffff:127.")
    }
}

extension SandboxAccount {
    /// The account as `GET /_sandbox/account` gives it.
    fileprivate var json: JSONValue {
        [
            "jobs": .array(jobs.map(\.json)),
            "calls": .array(calls.map(\.json)),
            "counts": .object(counts.mapValues { .integer(Int64($0)) }),
            "tokens": .object(tokens.mapValues { .integer(Int64($0)) }),
        ]
    }
}

extension SandboxAccount.Job {
    fileprivate var json: JSONValue {
        var members: [String: JSONValue] = [
            "service": .string(service), "id": .string(id), "name": .string(name),
            "startedAt": .string(startedAt.description), "status": .string(status),
            "files": .array(
                files.map { ["name": .string($0.name), "size": .integer($0.size), "sha256": .string($0.sha256)] }
            ),
        ]
        if let marker { members["marker"] = .string(marker) }
        return .object(members)
    }
}

extension SandboxAccount.Call {
    fileprivate var json: JSONValue {
        var members: [String: JSONValue] = [
            "method": .string(method), "path": .string(path), "service": .string(service),
            "operation": .string(operation), "status": .integer(Int64(status)), "at": .string(at.description),
        ]
        members["range"] = range.map { .string($0) }
        members["ifRange"] = ifRange.map { .string($0) }
        return .object(members)
    }
}
