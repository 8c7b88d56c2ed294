/// The calls of `Upstream-Intune, Calls`.
extension IntuneService {
    static let name = "intune"
    static let permissions = [TokenBook.Audience.graph: ["DeviceManagementManagedDevices.ReadWrite.All"]]
    static let routes: [RouteTable.Route] = {
        let root = "v1.0|beta/deviceManagement/reports/exportJobs"
        return [
            .init("POST \(root)", .intuneStart),
            .init("GET \(root)", .intuneList),
            .init("GET \(root)/{job}", .intuneStatus),
        ]
    }()

    static func storageLink(_ call: Call) -> (any StorageLink)? { IntuneLink(call) }

    var jobSpokenOf: Job? { world.jobs.job(call["job"]) }
}

extension Operation {
    static let intuneStart = Operation("intune.start", .start)
    static let intuneStatus = Operation("intune.status", .status)
    static let intuneList = Operation("intune.list", .list)
}

extension Job.Kind {
    static let intune = Self(
        service: IntuneService.name,
        name: "report",
        words: .init(running: "inProgress", succeeded: "completed")
    )
}
