import Exports
import JSON
import Pacing

/// The members of a message. Numbers that no replica sends are refused, so that nothing that is calculated with them overflows.
struct BudgetFields {
    private static let largest: Int64 = 1 << 62

    private let value: JSONValue

    init(_ value: JSONValue) { self.value = value }

    func text(_ name: String) -> String? { value[name]?.string }

    func count(_ name: String) -> Int? { value[name].flatMap { Self.count($0) } }

    func number(_ name: String) -> UInt64? { value[name]?.integer.flatMap { UInt64(exactly: $0) } }

    /// A time that passes.
    func time(_ name: String) -> Duration? { value[name].flatMap { Self.time($0) } }

    /// A time of a replica's own clock.
    func clock(_ name: String) -> Int64? {
        value[name]?.integer.flatMap { (-Self.largest...Self.largest).contains($0) ? $0 : nil }
    }

    func times(_ name: String) -> [Duration]? {
        guard let values = value[name]?.array else { return nil }
        let times = values.compactMap { Self.time($0) }
        return times.count == values.count ? times : nil
    }

    func counts(_ name: String) -> [CallPriority: Int]? {
        guard let members = value[name]?.object else { return nil }
        var counts: [CallPriority: Int] = [:]
        for priority in CallPriority.allCases {
            counts[priority] = members[priority.rawValue].flatMap { Self.count($0) }
        }
        return counts
    }

    func fields(_ name: String) -> BudgetFields? { value[name].map { BudgetFields($0) } }

    private static func count(_ value: JSONValue) -> Int? {
        value.integer.flatMap { (0...Int64(Int32.max)).contains($0) ? Int($0) : nil }
    }

    private static func time(_ value: JSONValue) -> Duration? {
        // A hundred years, which is longer than any time in a message.
        value.integer.flatMap { (0...3_155_760_000_000).contains($0) ? .milliseconds($0) : nil }
    }
}

extension BudgetWire {
    static func message(_ fields: BudgetFields) -> BudgetMessage? {
        switch fields.text("kind") {
        case "ask": ask(fields).map { .ask($0) }
        case "leave": fields.number("ask").map { .leave(ask: $0) }
        case "sending": fields.number("place").map { .sending(place: $0) }
        case "answered": fields.number("place").map { .answered(place: $0) }
        case "throttled": fields.number("place").map { .throttled(place: $0) }
        case "givenBack": fields.number("place").map { .givenBack(place: $0) }
        case "removed": fields.fields("work").flatMap { work($0) }.map { .removed($0) }
        case "waiting": fields.number("ask").map { .waiting(ask: $0) }
        case "granted": grant(fields).map { .granted($0) }
        case "queued": queued(fields)
        case "held": held(fields)
        case "hold": hold(fields)
        case "limited": fields.count("limit").map { .limited($0) }
        case "status": usage(fields).map { .status($0) }
        case "handedOver": handedOver(fields)
        default: nil
        }
    }

    private static func ask(_ fields: BudgetFields) -> BudgetAsk? {
        guard let number = fields.number("ask"), let sentAt = fields.clock("sentAt"),
            let priority = fields.text("priority").flatMap({ CallPriority(rawValue: $0) }),
            let host = fields.text("host"), let patience = fields.time("patience")
        else { return nil }
        let call = PacedCall(
            priority,
            host: host,
            caller: fields.text("caller"),
            weight: fields.count("weight") ?? 1,
            work: fields.fields("work").flatMap { work($0) },
            patience: patience,
            continues: fields.number("continues")
        )
        return BudgetAsk(number: number, sentAt: sentAt, call: call)
    }

    private static func work(_ fields: BudgetFields) -> PacedWork? {
        if let id = fields.text("export") { return ExportID(id).map { .export($0) } }
        guard let connection = fields.text("polls"), let provider = fields.text("provider") else { return nil }
        return .polls(of: connection, ProviderID(provider))
    }

    private static func grant(_ fields: BudgetFields) -> BudgetGrant? {
        guard let ask = fields.number("ask"), let place = fields.number("place"), let sentAt = fields.clock("sentAt"),
            let waited = fields.time("waited"), let validFor = fields.time("validFor")
        else { return nil }
        return BudgetGrant(ask: ask, place: place, sentAt: sentAt, waited: waited, validFor: validFor)
    }

    private static func queued(_ fields: BudgetFields) -> BudgetMessage? {
        guard let ask = fields.number("ask"), let position = fields.count("position"),
            let estimatedWait = fields.time("estimatedWait"), let comeBackIn = fields.time("comeBackIn")
        else { return nil }
        return .queued(ask: ask, QueuePlace(position: position, estimatedWait: estimatedWait), comeBackIn: comeBackIn)
    }

    private static func held(_ fields: BudgetFields) -> BudgetMessage? {
        guard let ask = fields.number("ask"), let rest = fields.time("rest") else { return nil }
        return .held(ask: ask, rest)
    }

    private static func hold(_ fields: BudgetFields) -> BudgetMessage? {
        guard let host = fields.text("host"), let duration = fields.time("duration") else { return nil }
        return .hold(host, duration)
    }

    private static func usage(_ fields: BudgetFields) -> BudgetUsage? {
        guard let used = fields.count("used"), let queueLength = fields.counts("queueLength"),
            let nextPlaceIn = fields.time("nextPlaceIn")
        else { return nil }
        return BudgetUsage(
            limit: fields.count("limit"),
            used: used,
            queueLength: queueLength,
            nextPlaceIn: nextPlaceIn
        )
    }

    private static func handedOver(_ fields: BudgetFields) -> BudgetMessage? {
        guard let epoch = fields.number("epoch"), let freeIn = fields.times("freeIn"), let limit = fields.count("limit")
        else { return nil }
        return .handedOver(epoch: Int64(clamping: epoch), freeIn: freeIn, limit: limit)
    }
}
