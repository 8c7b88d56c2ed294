import Exports
import JSON
import SystemCrypto

/// The kinds that change a right answer, as they come on the control plane.
extension SandboxFault {
    static func parseChange(_ kind: String?, _ reader: inout ObjectReader) -> SandboxFault? {
        switch kind {
        case "raw": reader.rawText("text").map { .raw($0, started: reader.bool("started") ?? false) }
        case "statusCode": parseStatusCode(&reader)
        case "headers": parseHeaders(&reader)
        case "members": parseMembers(&reader)
        case "rewrite": parseRewrite(&reader)
        case "padding": parsePadding(&reader)
        case "location":
            reader.requiredChoice("place", among: SandboxLocation.allCases.map(\.rawValue))
                .flatMap(SandboxLocation.init).map { .location($0) }
        case "emptyBody": .emptyBody
        case "listLag": reader.requiredCount("seconds").map { .listLag(seconds: Int($0)) }
        case "listedSize": parseListedSize(&reader)
        case "leadingBytes": parseLead(&reader)
        case "gzip": .gzip
        case "report": parseReport(&reader)
        case "framing":
            reader.requiredChoice("head", among: SandboxFraming.allCases.map(\.rawValue))
                .flatMap(SandboxFraming.init).map { .framing($0) }
        default: nil
        }
    }

    private static func parseStatusCode(_ reader: inout ObjectReader) -> SandboxFault? {
        let status = reader.requiredCount("status")
        if let status, !(200...599).contains(status) { reader.fault("status", "must be 200 to 599") }
        return status.map { .statusCode(Int($0)) }
    }

    private static func parseHeaders(_ reader: inout ObjectReader) -> SandboxFault? {
        let set = reader.texts("set")
        for name in set.keys where ["content-length", "transfer-encoding"].contains(name.lowercased()) {
            reader.fault("set", "has \(name), which is what the kind framing is for")
        }
        let remove = reader.names("remove")
        if set.isEmpty, remove.isEmpty { reader.fault("set", "or remove is required") }
        return .headers(set: set, remove: remove)
    }

    private static func parseMembers(_ reader: inout ObjectReader) -> SandboxFault? {
        var set: [String: JSONValue] = [:]
        if var nested = reader.object("set") {
            for (name, value) in nested.takeAllMembers() { set[name] = value }
            reader.adopt(nested.faults)
        }
        let remove = reader.names("remove")
        if set.isEmpty, remove.isEmpty { reader.fault("set", "or remove is required") }
        return .members(set: set, remove: remove)
    }

    private static func parseRewrite(_ reader: inout ObjectReader) -> SandboxFault? {
        let find = reader.rawText("find")
        let with = reader.rawText("with")
        if find?.isEmpty == true { reader.fault("find", "must not be empty") }
        guard let find, let with else { return nil }
        return .rewrite(find: find, with: with)
    }

    private static func parsePadding(_ reader: inout ObjectReader) -> SandboxFault? {
        let bytes = reader.requiredCount("bytes")
        if let bytes, bytes > 1 << 28 { reader.fault("bytes", "must be at most \(1 << 28)") }
        let member = reader.string("member") ?? "padding"
        let entries = reader.bool("entries") ?? false
        return bytes.map { .padding(bytes: Int($0), member: member, entries: entries) }
    }

    private static func parseListedSize(_ reader: inout ObjectReader) -> SandboxFault? {
        guard let difference = reader.value("differsBy")?.integer else {
            reader.fault("differsBy", "is required, a whole number")
            return nil
        }
        return .listedSize(differsBy: difference)
    }

    private static func parseReport(_ reader: inout ObjectReader) -> SandboxFault? {
        let members = reader.count("members") ?? 1
        if members > 16 { reader.fault("members", "must be at most 16") }
        return .report(
            SandboxReport(
                rows: reader.count("rows").map { Int(min($0, 100_000)) },
                members: Int(min(members, 16)),
                byteOrderMark: reader.bool("byteOrderMark") ?? true,
                carriageReturns: reader.bool("carriageReturns") ?? false,
                uneven: reader.bool("uneven") ?? false,
                wrapped: reader.bool("wrapped") ?? false
            )
        )
    }

    private static func parseLead(_ reader: inout ObjectReader) -> SandboxFault? {
        guard let digits = reader.requiredString("hex") else { return nil }
        guard let bytes = Hexadecimal.decode(digits), bytes.count <= 4096 else {
            reader.fault("hex", "must be bytes as pairs of hexadecimal digits, at most 4,096 of them")
            return nil
        }
        return .leadingBytes(bytes)
    }
}

extension ObjectReader {
    /// Any text, control characters and the empty one included.
    fileprivate mutating func rawText(_ name: String) -> String? {
        if !has(name) { fault(name, "is required") }
        guard let value = value(name) else { return nil }
        if value.string == nil { fault(name, "must be a string") }
        return value.string
    }

    /// An array of texts; empty where it is left out.
    fileprivate mutating func names(_ name: String) -> [String] {
        (array(name) ?? [])
            .compactMap { element in
                if element.value.string == nil { fault(name, "must hold strings only") }
                return element.value.string
            }
    }
}
