/// The calls of `Upstream-VivaGoals, Calls`.
extension VivaGoalsService {
    static let name = "viva-goals"
    static let permissions = [TokenBook.Audience.graph: ["Goals-Export.ReadWrite.All"]]
    static let routes: [RouteTable.Route] = {
        let root = "beta/employeeExperience/goals/exportJobs"
        return [
            .init("POST \(root)", .goalsStart),
            .init("GET \(root)", .goalsList),
            .init("GET \(root)/{job}", .goalsGet),
            .init("GET \(root)/{job}/content", .goalsContent),
        ]
    }()
    static let grants = [
        SandboxSeed.delegatedToken: TokenBook.Grant(
            audience: .graph,
            scopes: ["Goals-Export.ReadWrite.All"],
            expiresAt: nil
        )
    ]

    var jobSpokenOf: Job? { world.jobs.job(call["job"]) }
}

extension Operation {
    static let goalsStart = goals("start", .start)
    static let goalsList = goals("list", .list)
    static let goalsGet = goals("get", .status)
    static let goalsContent = goals("content", .download)

    private static func goals(_ call: String, _ role: Role) -> Operation {
        Operation("goals." + call, role, service: VivaGoalsService.name, aliases: [VivaGoalsService.name])
    }
}

extension Job.Kind {
    static let goals = Self(service: VivaGoalsService.name, name: "goals")
}
