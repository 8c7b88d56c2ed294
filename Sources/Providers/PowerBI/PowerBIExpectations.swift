public import UpstreamHTTP

/// What `Upstream-PowerBI` says of answers, for the check against the live service.
extension PowerBISettings {
    public var expectations: [CallExpectations] { [Self.start, Self.status, Self.file] }

    public var forLiveCheck: Self {
        var settings = self
        settings.asksForRanges = true
        return settings
    }

    private static let words = StateWords(
        "status",
        ["Undefined", "NotStarted", "Running", "Succeeded", "Failed"],
        done: ["Succeeded"],
        failed: ["Failed"]
    )

    private static let start = CallExpectations(
        "power-bi.start",
        state: words,
        knownMembers: ["@odata.context", "lastActionDateTime"],
        [
            .known("`Upstream-PowerBI, Start`", "A start is answered with 202.", .status([202])),
            .known("`Upstream-PowerBI, Status`", "The status is one of the schema's.", .knownState),
            .assumed("`Upstream-PowerBI, Start`", "The answer has the id.", .member("id", [.text], .always)),
            .assumed(
                "`Upstream-PowerBI, Start`",
                "The answer has the date of the creation.",
                .member("createdDateTime", [.date], .always)
            ),
            .assumed(
                "`Upstream-PowerBI, Start`",
                "The answer names the report.",
                .member("reportId", [.text], .always)
            ),
            .assumed(
                "`Upstream-PowerBI, Start`",
                "The answer has the progress.",
                .member("percentComplete", [.integer], .always)
            ),
            .assumed(
                "`Upstream-PowerBI, Start`",
                "The expiration is in the year 1.",
                .member("expirationTime", [.unsetDate], .always)
            ),
            .unknown(
                "`Upstream-PowerBI, Start`",
                "Location holds an address.",
                .header("location", [.address], .always)
            ),
            .unknown(
                "`Upstream-PowerBI, Start`",
                "Retry-After comes with the answer to a start.",
                .header("retry-after", [], .always)
            ),
        ]
    )

    private static let status = CallExpectations(
        "power-bi.status",
        state: words,
        knownMembers: ["@odata.context", "id", "createdDateTime", "lastActionDateTime", "reportId", "reportName"],
        [
            .known("`Upstream-PowerBI, Status`", "The status is answered with 200 or 202.", .status([200, 202])),
            .known("`Upstream-PowerBI, Status`", "The status is one of the schema's.", .knownState),
            .known(
                "`Upstream-PowerBI, Status`",
                "The answer tells the progress.",
                .member("percentComplete", [.integer], .always)
            ),
            .known(
                "`Upstream-PowerBI, File`",
                "A finished export has the address of its file.",
                .member("resourceLocation", [.link], .whenDone)
            ),
            .assumed(
                "`Upstream-PowerBI, Formats`",
                "A finished export tells the extension of its file.",
                .member("resourceFileExtension", [.text], .whenDone)
            ),
            .assumed(
                "`Upstream-PowerBI, File`",
                "A finished export tells until when its file is there.",
                .member("expirationTime", [.date], .whenDone)
            ),
            .known(
                "`Upstream-PowerBI, Status`",
                "Retry-After, where it comes, is a whole number.",
                .header("retry-after", [.wholeNumber], .sometimes)
            ),
            .unknown("`Upstream-PowerBI, Status`", "Every status comes with 200.", .status([200])),
            .assumed(
                "`Upstream-PowerBI, Status`",
                "A member error, where it comes, is an object.",
                .member("error", [.object, .null], .sometimes)
            ),
        ]
    )

    private static let file = CallExpectations(
        "power-bi.file",
        [
            .known(
                "`Upstream-PowerBI, Calls`",
                "The file is answered with 200, a part of it with 206.",
                .status([200, 206])
            ),
            .known(
                "`Upstream-PowerBI, File`",
                "The media type is one of those of the page.",
                .mediaType(["application/*", "image/*", "text/csv", "text/xml", "multipart/related"])
            ),
            .unknown(
                "`Upstream-PowerBI, File`",
                "A length is told.",
                .header("content-length", [.wholeNumber], .always),
                ifWrong: "downloads.measure: unknownLength"
            ),
            .unknown(
                "`Upstream-PowerBI, File`",
                "Parts of the file are served.",
                .parts,
                ifRight: "ranges: true of the connection",
                ifWrong: "ranges: false of the connection"
            ),
        ]
    )
}
