import HTTPFields
import Exports
import Foundation
import JSON
import UpstreamHTTP

/// The bodies as Microsoft sends and takes them (`Upstream-PowerBI, Request body` and `Upstream-PowerBI, Status`).
enum PowerBIWire {
    /// The members of the options that are Microsoft's `ExportReportRequest`; the others are in the address.
    static let requestMembers = ["format"] + PowerBIReportType.allCases.map(\.configuration)

    /// Whether the export is to run as somebody else.
    static func hasIdentities(_ plan: ExportPlan) -> Bool {
        PowerBIReportType.allCases.contains { !(plan.source[$0.configuration]?["identities"]?.array ?? []).isEmpty }
    }

    /// The body of the start, with the tokens put back where they were taken from.
    static func requestBody(of plan: ExportPlan, secrets: [String: Secret]) throws(ProviderError) -> JSONValue {
        var members: [String: JSONValue] = [:]
        for name in requestMembers { members[name] = plan.source[name] }
        var body = JSONValue.object(members)
        for (pointer, secret) in secrets {
            body = body.setting(.string(secret.reveal()), at: pointer.split(separator: "/").map(String.init))
        }
        guard !body.hasEmptyBlob else {
            throw ProviderError(
                .permanent,
                "The token of identityBlob is no longer in memory: create the export again.",
                problem: .secretLost
            )
        }
        return body
    }
}

/// The address of a report: what `submit` takes from the plan, and the later calls from the reference.
struct PowerBIReport {
    /// Nil for My workspace.
    var groupID: String?
    var reportID: String

    init(source: JSONValue) throws(ProviderError) {
        guard let reportID = source["reportId"]?.string else {
            throw ProviderError(.permanent, "The plan names no report.", problem: .internalError)
        }
        self.reportID = reportID
        groupID = source["groupId"]?.string
    }

    init(reference: UpstreamReference) throws(ProviderError) {
        guard let reportID = reference.context["reportId"] else {
            throw ProviderError(.permanent, "The reference names no report.", problem: .internalError)
        }
        self.reportID = reportID
        groupID = reference.context["groupId"]
    }

    /// Below `/v1.0/myorg`.
    var path: [String] { (groupID.map { ["groups", $0] } ?? []) + ["reports", reportID] }

    /// How a job of this report is found again. The format is kept for the name of the file, should the answer not
    /// tell its extension.
    func reference(to id: String, format: String?) -> UpstreamReference {
        var context = ["reportId": reportID]
        context["groupId"] = groupID
        context["format"] = format
        return UpstreamReference(id: id, context: context)
    }
}

/// Microsoft's `Export`. Any member may be missing; names are told apart without regard to case, because the swagger
/// writes `ResourceFileExtension` and the wire `resourceFileExtension`.
struct PowerBIExport {
    var id: String?
    var status: String?
    var percentComplete: Int?
    var lastActionDateTime: Timestamp?
    var expirationTime: Timestamp?
    var reportName: String?
    var resourceFileExtension: String?
    /// Not in the schema; one client was seen to look for it (`Upstream-PowerBI, Status`).
    var errorMessage: String?
    /// The id in the address of the file.
    var locatedID: String?

    /// Nil for anything but an object.
    init?(_ json: JSONValue?) {
        guard let json, json.object != nil else { return nil }
        id = json.id("id")
        status = json.text("status").map(UpstreamText.status)
        percentComplete = json.member("percentComplete")?.integer.map { Int(max(0, min(100, $0))) }
        lastActionDateTime = .upstream(json.text("lastActionDateTime"))
        expirationTime = .upstream(json.text("expirationTime"))
        reportName = json.text("reportName")
        resourceFileExtension = json.text("resourceFileExtension")
        errorMessage = json.member("error")?.text("message")
        locatedID = json.text("resourceLocation").flatMap { PowerBILocation.exportID($0) }
    }
}

/// The address of an export, `…/reports/{reportId}/exports/{id}`: only its id is ever used. Microsoft documents no header that
/// holds it; a writer of its docs points to `Location` (`Upstream-PowerBI, Start`).
enum PowerBILocation {
    static func exportID(in headers: UpstreamHeaders) -> String? {
        headers.jobAddresses.compactMap { exportID($0) }.first
    }

    static func exportID(_ address: String) -> String? {
        let steps = address.prefix { $0 != "?" && $0 != "#" }.split(separator: "/")
        guard let place = steps.lastIndex(where: { $0.lowercased() == "exports" }), place + 1 < steps.endIndex else {
            return nil
        }
        return PercentEncoding.decode(steps[place + 1]).flatMap { $0.isEmpty ? nil : $0 }
    }
}

extension JSONValue {
    /// This value with `value` at a path of member names and indices; unchanged where the path leads nowhere.
    fileprivate func setting(_ value: JSONValue, at path: [String]) -> JSONValue {
        guard let step = path.first else { return value }
        let rest = Array(path.dropFirst())
        switch self {
        case .object(var members):
            guard let inner = members[step] ?? (rest.isEmpty ? .null : nil) else { return self }
            members[step] = inner.setting(value, at: rest)
            return .object(members)
        case .array(var elements):
            guard let index = Int(step), elements.indices.contains(index) else { return self }
            elements[index] = elements[index].setting(value, at: rest)
            return .array(elements)
        default: return self
        }
    }

    /// Whether an `identityBlob` lacks its token somewhere inside.
    fileprivate var hasEmptyBlob: Bool {
        switch self {
        case .object(let members):
            members.contains { name, value in
                name == "identityBlob" ? value["value"] == nil : value.hasEmptyBlob
            }
        case .array(let elements): elements.contains(where: \.hasEmptyBlob)
        default: false
        }
    }
}
