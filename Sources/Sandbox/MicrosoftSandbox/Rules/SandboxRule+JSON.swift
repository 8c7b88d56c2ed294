import Exports
import JSON

extension SandboxRule {
    /// Reads a rule from the control plane. Unknown operations, kinds and members are refused by name.
    static func parse(_ value: JSONValue) -> Result<SandboxRule, RuleFaults> {
        var reader = ObjectReader(value)
        let operation = reader.string("operation") ?? "*"
        if !Operation.isKnown(pattern: operation) {
            reader.fault("operation", "names no operation; use \"*\", \"graph.*\", \"*.start\" or an operation's name")
        }
        let match = reader.string("match")
        let connection = reader.choice("connection", among: SandboxConnection.allCases.map(\.rawValue))
            .flatMap(SandboxConnection.init)
        let times = reader.count("times")
        let after = reader.count("after") ?? 0
        var fault: SandboxFault?
        if var nested = reader.object("fault") {
            fault = SandboxFault.parse(&nested)
            nested.finish()
            reader.adopt(nested.faults)
        } else if !reader.has("fault") {
            reader.fault("fault", "is required")
        }
        reader.finish()
        guard reader.faults.isEmpty, let fault else { return .failure(RuleFaults(faults: reader.faults)) }
        return .success(
            SandboxRule(
                operation: operation,
                match: match,
                connection: connection,
                times: times.map(Int.init),
                after: Int(after),
                fault: fault
            )
        )
    }
}

/// What is wrong with a rule.
struct RuleFaults: Error {
    var faults: [FieldFault]
}

extension SandboxFault {
    /// The names of all kinds, as rules of the control plane have them in `fault.kind`.
    public static let kinds = [
        "slow", "throttled", "status", "failed", "failedBusy", "partiallySucceeded", "submissionFailed", "stuck",
        "unknownStatus", "metadataLag", "cutDownload", "stallDownload", "shortDownload", "wrongLength", "expiredLink",
        "wrongContentType", "htmlSignIn", "tokenRevoked", "cutConnection", "fileContent", "noContentLength",
        "dripDownload", "noRanges", "ranges", "changedFile", "noETag", "quotedLocation", "wrappedEntity",
        "idWithReserved", "preAuthorizedLink", "consentRequired", "interactionRequired", "identityNotFound", "echo",
        "raw", "headers", "members", "rewrite", "padding", "location", "emptyBody", "listLag", "listedSize",
        "leadingBytes", "gzip", "framing", "report", "statusCode",
    ]

    fileprivate static func parse(_ reader: inout ObjectReader) -> SandboxFault? {
        switch reader.requiredChoice("kind", among: kinds) {
        case "slow": reader.requiredCount("milliseconds").map { .slow(milliseconds: Int($0)) }
        case "throttled":
            .throttled(retryAfter: reader.text("retryAfter"), withoutHeader: reader.bool("withoutHeader") ?? false)
        case "status": parseStatus(&reader)
        case "echo": parseEcho(&reader)
        case "failed": .failed
        case "failedBusy": reader.requiredCount("retryAfter").map { .failedBusy(retryAfter: Int($0)) }
        case "partiallySucceeded": .partiallySucceeded
        case "submissionFailed": .submissionFailed
        case "stuck": .stuck
        case "unknownStatus": reader.requiredString("value").map { .unknownStatus($0) }
        case "metadataLag": reader.requiredCount("seconds").map { .metadataLag(seconds: Int($0)) }
        case "cutDownload": reader.requiredCount("afterBytes").map { .cutDownload(afterBytes: $0) }
        case "stallDownload": reader.requiredCount("afterBytes").map { .stallDownload(afterBytes: $0) }
        case "shortDownload": .shortDownload(missingBytes: reader.count("missingBytes") ?? 1)
        case "wrongLength": .wrongLength(excessBytes: reader.count("excessBytes") ?? 1)
        case "expiredLink": .expiredLink
        case "wrongContentType": reader.requiredString("contentType").map { .wrongContentType($0) }
        case "htmlSignIn": .htmlSignIn
        case "tokenRevoked": .tokenRevoked
        case "cutConnection":
            .cutConnection(started: reader.bool("started") ?? false, reset: reader.bool("reset") ?? false)
        case "fileContent": parseContent(&reader)
        case "noContentLength": .noContentLength
        case "dripDownload":
            reader.requiredCount("bytesPerSecond").map { .dripDownload(bytesPerSecond: max(1, Int($0))) }
        case "noRanges": .noRanges
        case "ranges": .ranges
        case "changedFile": .changedFile
        case "noETag": .noETag
        case "quotedLocation": .quotedLocation
        case "wrappedEntity": .wrappedEntity
        case "idWithReserved": .idWithReserved
        case "preAuthorizedLink": .preAuthorizedLink
        case "consentRequired": .consentRequired
        case "interactionRequired":
            reader.string("claims").map { .interactionRequired(claims: $0) } ?? .interactionRequired()
        case "identityNotFound": .identityNotFound
        case let kind: parseChange(kind, &reader)
        }
    }

    private static func parseEcho(_ reader: inout ObjectReader) -> SandboxFault? {
        let status = reader.count("status") ?? 400
        if !(400...599).contains(status) { reader.fault("status", "must be 400 to 599") }
        let writing = reader.choice("writing", among: SandboxWriting.allCases.map(\.rawValue))
        return .echo(status: Int(status), writing: writing.flatMap(SandboxWriting.init) ?? .plain)
    }

    private static func parseStatus(_ reader: inout ObjectReader) -> SandboxFault? {
        let status = reader.requiredCount("status")
        if let status, !(200...599).contains(status) { reader.fault("status", "must be 200 to 599") }
        let body = reader.value("body").map { $0.string ?? String(decoding: $0.encoded(), as: UTF8.self) }
        let headers = reader.texts("headers")
        let started = reader.bool("started") ?? false
        return status.map { .status(Int($0), body: body, headers: headers, started: started) }
    }

    private static func parseContent(_ reader: inout ObjectReader) -> SandboxFault? {
        let bytes = reader.requiredCount("bytes")
        let kind = reader.requiredChoice("content", among: SandboxFileKind.allCases.map(\.rawValue))
        guard let bytes, let kind = kind.flatMap(SandboxFileKind.init) else { return nil }
        return .fileContent(bytes: bytes, kind: kind)
    }
}

extension ObjectReader {
    /// An object of texts; empty where it is left out.
    mutating func texts(_ name: String) -> [String: String] {
        guard var nested = object(name) else { return [:] }
        var texts: [String: String] = [:]
        for (name, value) in nested.takeAllMembers() {
            guard let text = value.string else {
                nested.fault(name, "must be a string")
                continue
            }
            texts[name] = text
        }
        adopt(nested.faults)
        return texts
    }

    /// A whole number from 0 up to a tebibyte.
    mutating func count(_ name: String) -> Int64? {
        guard let value = value(name) else { return nil }
        guard let number = value.integer, (0...1 << 40).contains(number) else {
            fault(name, "must be a whole number from 0 to \(1 << 40)")
            return nil
        }
        return number
    }

    mutating func requiredCount(_ name: String) -> Int64? {
        if !has(name) { fault(name, "is required") }
        return count(name)
    }

    /// A text, or a number as it would be written.
    fileprivate mutating func text(_ name: String) -> String? {
        switch value(name) {
        case .string(let text): return text
        case .integer(let number): return String(number)
        case .number(let number): return String(number)
        case nil: return nil
        default:
            fault(name, "must be a string or a number")
            return nil
        }
    }
}
