public import UpstreamHTTP

/// What `Upstream-Intune` says of answers, for the check against the live service.
extension IntuneSettings {
    public var expectations: [CallExpectations] { [Self.start, Self.status, Self.download] }

    private static let words = StateWords(
        "status",
        ["unknown", "notStarted", "inProgress", "completed", "failed"],
        done: ["completed"],
        failed: ["failed"]
    )
    private static let members = ["@odata.context", "filter", "select", "format", "snapshotId", "localizationType"]

    private static let start = CallExpectations(
        "intune.start",
        state: words,
        knownMembers: members + ["url", "expirationDateTime"],
        [
            .known("`Upstream-Intune, Calls`", "A start is answered with 201.", .status([201])),
            .known("`Upstream-Intune, Job`", "The answer to a start has the id.", .member("id", [.text], .always)),
            .known("`Upstream-Intune, Job`", "A job names its report.", .member("reportName", [.text], .always)),
            .known(
                "`Upstream-Intune, Job`",
                "A job has the date of its request.",
                .member("requestDateTime", [.date], .always)
            ),
            .known("`Upstream-Intune, Status`", "The status is one of the enumeration.", .knownState),
            .assumed(
                "`Upstream-Intune, Calls`",
                "The answer to a start has no Location.",
                .header("location", [], .never)
            ),
        ]
    )

    private static let status = CallExpectations(
        "intune.status",
        state: words,
        knownMembers: members + ["requestDateTime", "reportName"],
        [
            .known("`Upstream-Intune, Calls`", "A job is answered with 200.", .status([200])),
            .unknown(
                "`Upstream-Intune, Calls`",
                "The form of a job's address that the connection uses is taken.",
                .addressTaken,
                ifWrong: "keyForm of the connection, the other value"
            ),
            .known("`Upstream-Intune, Job`", "A job has its id.", .member("id", [.text], .always)),
            .known("`Upstream-Intune, Status`", "The status is one of the enumeration.", .knownState),
            .known(
                "`Upstream-Intune, Job`",
                "Until a job is completed, it has no link.",
                .member("url", [.null, .absent], .beforeDone)
            ),
            .known(
                "`Upstream-Intune, Job`",
                "Until a job is completed, its expiration is in the year 1.",
                .member("expirationDateTime", [.unsetDate], .beforeDone)
            ),
            .unknown(
                "`Upstream-Intune, Status`",
                "Every answer on a completed job has the link.",
                .member("url", [.link], .whenDone)
            ),
            .assumed(
                "`Upstream-Intune, Download`",
                "A completed job tells until when its link is good.",
                .member("expirationDateTime", [.date], .whenDone)
            ),
        ]
    )

    private static let download = CallExpectations(
        "intune.download",
        [
            .known(
                "`Upstream-Intune, Download`",
                "The link is answered with 200, a part of the file with 206.",
                .status([200, 206])
            ),
            .known("`Upstream-Intune, Download`", "Parts of the file are served.", .parts),
            .unknown(
                "`Upstream-Intune, Download`",
                "A length is told.",
                .header("content-length", [.wholeNumber], .always),
                ifWrong: "downloads.measure: unknownLength"
            ),
            .unknown(
                "`Upstream-Intune, Download`",
                "The file has a strong entity tag.",
                .header("etag", [.strongTag], .always)
            ),
        ]
    )
}
