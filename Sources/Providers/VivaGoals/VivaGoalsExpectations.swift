public import UpstreamHTTP

/// What `Upstream-VivaGoals` says of answers, for the check against the live service.
extension VivaGoalsSettings {
    public var expectations: [CallExpectations] { [Self.start, Self.status, Self.content] }

    public var forLiveCheck: Self {
        var settings = self
        settings.asksForRanges = true
        return settings
    }

    private static let words = StateWords(
        "status",
        ["notStarted", "running", "succeeded", "failed", "unknownFutureValue"],
        done: ["succeeded"],
        failed: ["failed"]
    )

    private static let start = CallExpectations(
        "viva-goals.start",
        state: words,
        knownMembers: ["@odata.context", "@microsoft.graph.tips"],
        [
            .unknown("`Upstream-VivaGoals, Product`", "A start is still accepted.", .status([201])),
            .known("`Upstream-VivaGoals, Calls`", "A start is answered with 201.", .status([201])),
            .known(
                "`Upstream-VivaGoals, Calls`",
                "The answer to a start has Location.",
                .header("location", [.address], .always)
            ),
            .assumed(
                "`Upstream-VivaGoals, Start`",
                "Location is in double quotes.",
                .header("location", [.quoted], .always)
            ),
            .assumed("`Upstream-VivaGoals, Start`", "The answer has the id.", .member("id", [.text], .always)),
            .assumed("`Upstream-VivaGoals, Start`", "The answer has the status.", .member("status", [.text], .always)),
            .known("`Upstream-VivaGoals, Job`", "The status is one of the enumeration.", .knownState),
            .assumed(
                "`Upstream-VivaGoals, Start`",
                "The answer has the date of the creation.",
                .member("createdDateTime", [.date], .always)
            ),
        ]
    )

    private static let status = CallExpectations(
        "viva-goals.status",
        state: words,
        knownMembers: [
            "@odata.context", "@microsoft.graph.tips", "lastActionDateTime", "statusDetail", "goalsOrganizationId",
            "explorerViewId", "content",
        ],
        [
            .known("`Upstream-VivaGoals, Calls`", "A job is answered with 200.", .status([200])),
            .unknown("`Upstream-VivaGoals, Job`", "A single job comes bare, and not inside value.", .bareEntity),
            .known("`Upstream-VivaGoals, Job`", "A job has its id.", .member("id", [.text], .always)),
            .known("`Upstream-VivaGoals, Job`", "The status is one of the enumeration.", .knownState),
            .known(
                "`Upstream-VivaGoals, Job`",
                "A job has the date of its creation.",
                .member("createdDateTime", [.date], .always)
            ),
            .assumed(
                "`Upstream-VivaGoals, Job`",
                "A job that runs has the address of its content.",
                .member("resourceLocation", [.link], .beforeDone)
            ),
            .assumed(
                "`Upstream-VivaGoals, Job`",
                "A finished job tells until when its content is there.",
                .member("expirationDateTime", [.date], .whenDone)
            ),
            .known(
                "`Upstream-VivaGoals, Job`",
                "Retry-After, where it comes, is a whole number.",
                .header("retry-after", [.wholeNumber], .sometimes)
            ),
        ]
    )

    private static let content = CallExpectations(
        "viva-goals.content",
        [
            .known(
                "`Upstream-VivaGoals, Calls`",
                "The content is answered with 200, a part of it with 206.",
                .status([200, 206])
            ),
            .assumed("`Upstream-VivaGoals, Content`", "The content is text/csv.", .mediaType(["text/csv"])),
            .unknown(
                "`Upstream-VivaGoals, Content`",
                "A length is told.",
                .header("content-length", [.wholeNumber], .always),
                ifWrong: "downloads.measure: unknownLength"
            ),
            .unknown(
                "`Upstream-VivaGoals, Content`",
                "Parts of the file are served.",
                .parts,
                ifRight: "ranges: true of the connection",
                ifWrong: "ranges: false of the connection"
            ),
        ]
    )
}
