import HTTPFields
import Exports
import JSON
import UpstreamHTTP

/// Microsoft's `deviceManagementExportJob`. Any member may be missing. There is none for the reason of a failure
/// (`Upstream-Intune, Job`).
struct IntuneJob {
    var id: String?
    var status: String?
    /// Where the file is: whoever has it may read the file. Empty counts as none.
    var url: Secret?
    /// None before the job is completed: it is in the year 1 then.
    var expirationDateTime: Timestamp?

    /// Nil for anything but an object.
    init?(_ json: JSONValue?) {
        guard let json, json.object != nil else { return nil }
        id = json.id("id")
        status = json.text("status").map(UpstreamText.status)
        url = json.text("url").map { Secret($0) }
        expirationDateTime = .upstream(json.text("expirationDateTime"))
    }
}

/// Where jobs live, and how an address names one.
enum IntuneLocation {
    /// Below the API root and the version.
    private static let collection = ["deviceManagement", "reports", "exportJobs"]

    static func jobs(_ settings: IntuneSettings) -> UpstreamURL {
        settings.apiRoot.appending(path: [settings.version.rawValue] + collection)
    }

    /// The address of a job, in the form of the settings. The id is percent-encoded as a whole; a quote in a quoted key is doubled,
    /// as OData has it. Nil for an id that makes no address.
    static func job(_ id: String, _ settings: IntuneSettings) -> UpstreamURL? {
        let jobs = jobs(settings)
        switch settings.keyForm {
        case .slash: return jobs.appending(path: [id])
        case .quotes:
            let key = PercentEncoding.encode(id.replacing("'", with: "''"))
            return UpstreamURL("\(jobs.origin)\(jobs.path)('\(key)')")
        }
    }

    /// The id in whatever field of an answer tells an address. Microsoft documents none (`Upstream-Intune, Calls`).
    static func jobID(in headers: UpstreamHeaders) -> String? { headers.jobAddresses.compactMap { jobID($0) }.first }

    /// The id in `…/exportJobs/<id>` or `…/exportJobs('<id>')`.
    static func jobID(_ address: String) -> String? {
        let steps = address.prefix { $0 != "?" && $0 != "#" }.split(separator: "/")
        guard let place = steps.lastIndex(where: { $0.lowercased().hasPrefix("exportjobs") }) else { return nil }
        var key = steps[place].dropFirst("exportjobs".count)
        if key.isEmpty {
            guard place + 1 < steps.endIndex else { return nil }
            return decoded(steps[place + 1])
        }
        guard key.hasPrefix("('"), key.hasSuffix("')"), key.count > 4 else { return nil }
        key = key.dropFirst(2).dropLast(2)
        return decoded(key)?.replacing("''", with: "'")
    }

    private static func decoded(_ text: Substring) -> String? {
        PercentEncoding.decode(text).flatMap { $0.isEmpty ? nil : UpstreamText.id($0) }
    }
}
