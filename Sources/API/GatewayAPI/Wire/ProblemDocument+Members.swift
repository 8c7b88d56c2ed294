import Exports
import JSON

extension JSONWriter {
    /// Writes the members of a problem document beyond RFC 9457's own, by name; the schema `Problem` of `openapi.yaml`.
    mutating func members(_ members: ProblemMembers) {
        switch members {
        case .allow(let methods): member("allow", .array(methods.map { .string($0) }))
        case .parameter(let name): member("parameter", name)
        case .permission(let permission): member("permission", permission)
        case .files(let choices):
            name("files")
            array(choices) { writer, choice in writer.object { $0.choice(choice) } }
        case .quota(let quota):
            member(
                "quota",
                object: { writer in
                    writer.member("limit", .integer(Int64(quota.limit)))
                    writer.member("name", quota.name.rawValue)
                    writer.member("unit", quota.name.unit)
                    writer.member("window", quota.window.map { JSONValue.integer($0.wholeSecondsRoundedUp) })
                }
            )
        case .destination(let destination): member("destination", destination)
        case .size(let size): member("size", .integer(size))
        case .reason(let impediment): member("reason", impediment.rawValue)
        case .notReady(let reasons):
            member("readiness", "notReady")
            member("reasons", reasons)
        case .configuration(let faults):
            name("configuration")
            array(faults) { writer, fault in
                writer.object { writer in
                    writer.member("detail", fault.detail)
                    writer.member("key", fault.key)
                }
            }
        case .existing(let id): member("existing", id)
        case .purged(let tombstone):
            member(
                "purged",
                object: { writer in
                    writer.member("id", tombstone.id.description)
                    writer.member("provider", tombstone.provider.rawValue)
                    writer.member("status", tombstone.status.rawValue)
                    writer.member("completedAt", tombstone.completedAt)
                    writer.member("purgedAt", tombstone.purgedAt)
                }
            )
        case .obstacle(let obstacle): member("obstacle", obstacle.rawValue)
        }
    }

    /// Writes why the gateway is not ready, or only degraded.
    mutating func member(_ name: String, _ reasons: [ReadinessReason]) {
        self.name(name)
        array(reasons) { writer, reason in
            writer.object { writer in
                writer.member("code", reason.code)
                writer.member("detail", reason.detail)
            }
        }
    }

    private mutating func choice(_ choice: FileChoice) {
        let file = choice.file
        member("contentType", file.contentType)
        member("href", choice.href)
        member("id", file.id)
        member("name", file.name)
        member("sha256", file.sha256)
        member("size", file.size.map(JSONValue.integer))
    }
}
