import Exports
import JSON
import Pacing
import SystemCrypto

/// The text of messages about budgets: an array of objects, each with the lease, the kind and what belongs to it. Times are in
/// milliseconds. What a replica of a later version adds is ignored.
enum BudgetWire {
    /// Longer names of callers are replaced by their digests, so that every message fits.
    private static let longestCaller = 400

    static func text(of message: BudgetMessage, lease: String) -> [UInt8] {
        var members = members(of: message)
        members["lease"] = .string(lease)
        return JSONValue.object(members).encodedBytes()
    }

    /// The messages of a body with their leases. What cannot be read is left out.
    static func read(_ body: String) -> [(lease: String, message: BudgetMessage)] {
        guard let values = (try? JSONParser.parse(body))?.array else { return [] }
        return values.compactMap { value in
            guard let lease = value["lease"]?.string, let message = message(BudgetFields(value)) else { return nil }
            return (lease, message)
        }
    }

    // MARK: Writing

    private static func members(of message: BudgetMessage) -> [String: JSONValue] {
        switch message {
        case .ask(let ask): members(of: ask)
        case .leave(let ask): ["kind": "leave", "ask": number(ask)]
        case .sending(let place): ["kind": "sending", "place": number(place)]
        case .answered(let place): ["kind": "answered", "place": number(place)]
        case .throttled(let place): ["kind": "throttled", "place": number(place)]
        case .givenBack(let place): ["kind": "givenBack", "place": number(place)]
        case .removed(let work): ["kind": "removed", "work": value(of: work)]
        case .waiting(let ask): ["kind": "waiting", "ask": number(ask)]
        case .granted(let grant):
            [
                "kind": "granted", "ask": number(grant.ask), "place": number(grant.place),
                "sentAt": .integer(grant.sentAt), "waited": time(grant.waited), "validFor": time(grant.validFor),
            ]
        case .queued(let ask, let place, let wait):
            [
                "kind": "queued", "ask": number(ask), "position": .integer(Int64(place.position)),
                "estimatedWait": time(place.estimatedWait), "comeBackIn": time(wait),
            ]
        case .held(let ask, let rest): ["kind": "held", "ask": number(ask), "rest": time(rest)]
        case .hold(let host, let duration): ["kind": "hold", "host": .string(host), "duration": time(duration)]
        case .limited(let limit): ["kind": "limited", "limit": .integer(Int64(limit))]
        case .status(let usage): members(of: usage)
        case .handedOver(let epoch, let freeIn, let limit):
            [
                "kind": "handedOver", "epoch": .integer(epoch), "freeIn": .array(freeIn.map { time($0) }),
                "limit": .integer(Int64(limit)),
            ]
        }
    }

    private static func members(of ask: BudgetAsk) -> [String: JSONValue] {
        var members: [String: JSONValue] = [
            "kind": "ask", "ask": number(ask.number), "sentAt": .integer(ask.sentAt),
            "priority": .string(ask.call.priority.rawValue), "host": .string(ask.call.host),
            "weight": .integer(Int64(ask.call.weight)), "patience": time(ask.call.patience),
        ]
        members["caller"] = ask.call.caller.map { .string(short($0)) }
        members["work"] = ask.call.work.map { value(of: $0) }
        members["continues"] = ask.call.continues.map { number($0) }
        return members
    }

    private static func members(of usage: BudgetUsage) -> [String: JSONValue] {
        var members: [String: JSONValue] = [
            "kind": "status", "used": .integer(Int64(usage.used)), "nextPlaceIn": time(usage.nextPlaceIn),
            "queueLength": .object(
                Dictionary(uniqueKeysWithValues: usage.queueLength.map { ($0.key.rawValue, .integer(Int64($0.value))) })
            ),
        ]
        members["limit"] = usage.limit.map { .integer(Int64($0)) }
        return members
    }

    private static func value(of work: PacedWork) -> JSONValue {
        switch work {
        case .export(let id): ["export": .string(id.description)]
        case .polls(let connection, let provider):
            ["polls": .string(connection), "provider": .string(provider.rawValue)]
        }
    }

    private static func short(_ caller: String) -> String {
        caller.utf8.count <= longestCaller ? caller : "sha256 " + hex(SHA256.hash(Array(caller.utf8)))
    }

    private static func hex(_ bytes: [UInt8]) -> String {
        bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }

    private static func number(_ value: UInt64) -> JSONValue { .integer(Int64(clamping: value)) }
    private static func time(_ duration: Duration) -> JSONValue { .integer(duration.milliseconds) }
}
