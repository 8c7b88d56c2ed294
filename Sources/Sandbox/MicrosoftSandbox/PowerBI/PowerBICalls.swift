import HTTPTypes
import Hummingbird

/// The calls of `Upstream-PowerBI, Calls`, in a workspace and in My workspace.
extension PowerBIService {
    static let name = "power-bi"
    static let permissions = [
        TokenBook.Audience.powerBI: ["Dataset.Read.All", "Report.Read.All", "Workspace.Read.All"]
    ]
    static let routes: [RouteTable.Route] =
        [.init("GET v1.0/myorg/groups", .powerBIGroups), .init("GET v1.0/myorg/capacities", .powerBICapacities)]
        + reports(below: "v1.0/myorg/groups/{group}/reports") + reports(below: "v1.0/myorg/reports")

    private static func reports(below root: String) -> [RouteTable.Route] {
        [
            .init("GET \(root)", .powerBIReports),
            .init("GET \(root)/{report}", .powerBIReport),
            .init("GET \(root)/{report}/pages", .powerBIPages),
            .init("GET \(root)/{report}/datasources", .powerBIDatasources),
            .init("POST \(root)/{report}/ExportTo", .powerBIStart),
            .init("GET \(root)/{report}/exports/{export}", .powerBIStatus),
            .init("GET \(root)/{report}/exports/{export}/file", .powerBIFile),
        ]
    }

    var jobSpokenOf: Job? { world.jobs.job(call["export"]) }
    var throttled: Response { answers.empty(.tooManyRequests) }
}

extension TokenBook.Audience {
    static let powerBI = Self(rawValue: "https://analysis.windows.net/powerbi/api")
}

extension Operation {
    static let powerBIStart = powerBI("start", .start)
    static let powerBIStatus = powerBI("status", .status)
    static let powerBIFile = powerBI("file", .download)
    static let powerBIGroups = powerBI("groups")
    static let powerBIReports = powerBI("reports")
    static let powerBIReport = powerBI("report")
    static let powerBIPages = powerBI("pages")
    static let powerBIDatasources = powerBI("datasources")
    static let powerBICapacities = powerBI("capacities")

    private static func powerBI(_ call: String, _ role: Role = .read) -> Operation {
        Operation(PowerBIService.name + "." + call, role)
    }
}

extension Job.Kind {
    static let powerBI = Self(
        service: PowerBIService.name,
        name: "export",
        words: .init(notStarted: "NotStarted", running: "Running", succeeded: "Succeeded", failed: "Failed")
    )
}
