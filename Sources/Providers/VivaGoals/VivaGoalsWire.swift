import HTTPFields
import Exports
import JSON
import UpstreamHTTP

/// The view that a job exports: what `submit` sends, and what a job in a list is told apart by.
struct VivaGoalsView: Hashable {
    /// Both lower case.
    var organizationID: String
    var viewID: String

    init(organizationID: String, viewID: String) {
        self.organizationID = organizationID
        self.viewID = viewID
    }

    init(source: JSONValue) throws(ProviderError) {
        guard let organizationID = source[VivaGoalsRequest.organization]?.string,
            let viewID = source[VivaGoalsRequest.view]?.string
        else { throw ProviderError(.permanent, "The plan names no view.", problem: .internalError) }
        self.init(organizationID: organizationID, viewID: viewID)
    }

    /// The body of the start (`Upstream-VivaGoals, Start`).
    var requestBody: JSONValue {
        [VivaGoalsRequest.organization: .string(organizationID), VivaGoalsRequest.view: .string(viewID)]
    }

    /// How a job of this view is found again; `name` is for its file, because jobs have none.
    func reference(to id: String, name: String) -> UpstreamReference {
        UpstreamReference(
            id: id,
            context: [
                VivaGoalsRequest.organization: organizationID, VivaGoalsRequest.view: viewID, "name": name,
            ]
        )
    }

    func matches(_ job: VivaGoalsJob) -> Bool {
        job.goalsOrganizationID?.lowercased() == organizationID && job.explorerViewID?.lowercased() == viewID
    }
}

/// Microsoft's `goalsExportJob`, a `longRunningOperation`. Any member may be missing, and the dates on the pages are
/// misprinted (`2023-06-19T12-06-03.0024Z`; `Upstream-Graph, Timestamps`): what cannot be read is none.
struct VivaGoalsJob {
    var id: String?
    var status: String?
    var statusDetail: String?
    var createdDateTime: Timestamp?
    var lastActionDateTime: Timestamp?
    var expirationDateTime: Timestamp?
    var goalsOrganizationID: String?
    var explorerViewID: String?
    /// Who started it, where that is told: it is in no page of Microsoft's.
    var createdBy: JSONValue?
    /// The id in the address of the content.
    var locatedID: String?

    /// Nil for anything but an object.
    init?(_ json: JSONValue?) {
        guard let json, json.object != nil else { return nil }
        id = json.id("id")
        status = json.text("status").map(UpstreamText.status)
        statusDetail = json.text("statusDetail")
        createdDateTime = .upstream(json.text("createdDateTime"))
        lastActionDateTime = .upstream(json.text("lastActionDateTime"))
        expirationDateTime = .upstream(json.text("expirationDateTime"))
        goalsOrganizationID = json.text(VivaGoalsRequest.organization)
        explorerViewID = json.text(VivaGoalsRequest.view)
        createdBy = json.member("createdBy")
        locatedID = json.text("resourceLocation").flatMap { VivaGoalsLocation.jobID($0) }
    }

    /// A single job as it is answered: bare in captured answers, wrapped in `value` in later pages (`Upstream-VivaGoals, Job`).
    init?(entity json: JSONValue?) {
        let wrapped = json?["value"]
        self.init(wrapped?.object == nil ? json : wrapped)
    }

    /// Whether the job is waiting or at work.
    var isUnderWay: Bool { !VivaGoalsStatus.status(status ?? "").isTerminal }
}

/// Where jobs live, and how a `Location` names one.
///
/// On a start, `Location` goes before the `id` in the body. They agree in every captured answer; in the one page where
/// they do not, the body has a plain GUID, a form that no job id was seen in, and `Location` is what RFC 9110 (15.3.2)
/// lets a 201 name its resource by (`Upstream-VivaGoals, Start`).
enum VivaGoalsLocation {
    /// Below the API root.
    static let path = ["beta", "employeeExperience", "goals", "exportJobs"]

    /// The id in whatever field of an answer tells an address.
    static func jobID(in headers: UpstreamHeaders) -> String? {
        headers.jobAddresses.compactMap { jobID($0) }.first
    }

    /// The id in `…/employeeexperience/goals/exportJobs/<id>`, or `…/exportJobs('<id>')`, which the pages print in double
    /// quotes; `/content` may follow.
    static func jobID(_ location: String?) -> String? {
        guard let location else { return nil }
        let address = location.drop { $0 == "\"" || $0 == " " }.prefix { $0 != "\"" && $0 != " " && $0 != "?" }
        let steps = address.split(separator: "/")
        guard let place = steps.lastIndex(where: { $0.lowercased().hasPrefix("exportjobs") }) else { return nil }
        let key = steps[place].dropFirst("exportjobs".count)
        if key.hasPrefix("("), key.hasSuffix(")") {
            return percentDecoded(key.dropFirst().dropLast().drop { $0 == "'" }.prefix { $0 != "'" })
                .flatMap { UpstreamText.id($0) }
        }
        guard key.isEmpty, place + 1 < steps.endIndex else { return nil }
        return percentDecoded(steps[place + 1]).flatMap { UpstreamText.id($0) }
    }

    private static func percentDecoded(_ text: Substring) -> String? {
        PercentEncoding.decode(text).flatMap { $0.isEmpty ? nil : $0 }
    }
}
