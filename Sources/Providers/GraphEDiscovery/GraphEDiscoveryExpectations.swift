public import UpstreamHTTP

/// What `Upstream-GraphEDiscovery` says of answers, for the check against the live service.
extension GraphEDiscoverySettings {
    public var expectations: [CallExpectations] {
        switch dialect {
        case .security: [Self.start, Self.operation, Self.download]
        case .ediscovery: [Self.start, Self.formerOperation, Self.link, Self.formerDownload]
        }
    }

    private static let words = StateWords(
        "status",
        ["notStarted", "submissionFailed", "running", "succeeded", "partiallySucceeded", "failed"],
        done: ["succeeded", "partiallySucceeded"],
        failed: ["submissionFailed", "failed"]
    )
    private static let members = [
        "@odata.context", "@odata.type", "action", "description", "outputName", "displayName", "exportOptions",
        "exportStructure", "exportCriteria", "exportLocation", "exportFormat", "exportSingleItems", "additionalOptions",
        "cloudAttachmentVersion", "documentVersion",
    ]

    private static let start = CallExpectations(
        "graph-ediscovery.start",
        [
            .known("`Upstream-GraphEDiscovery, Start`", "A start is answered with 202.", .status([202])),
            .known("`Upstream-GraphEDiscovery, Start`", "The answer to a start has no body.", .emptyBody),
            .known(
                "`Upstream-GraphEDiscovery, Start`",
                "Location holds the address of the operation.",
                .header("location", [.address], .always)
            ),
            .assumed(
                "`Upstream-GraphEDiscovery, Start`",
                "Location has keys in parentheses and quotes.",
                .header("location", [.keyInParentheses], .always)
            ),
            .unknown(
                "`Upstream-GraphEDiscovery, Start`",
                "Operation-Location names the operation too.",
                .header("operation-location", [], .always)
            ),
        ]
    )

    private static let common: [Expectation] = [
        .known("`Upstream-GraphEDiscovery, Calls`", "An operation is answered with 200.", .status([200])),
        .known("`Upstream-GraphEDiscovery, Operation`", "An operation has its id.", .member("id", [.text], .always)),
        .known("`Upstream-GraphEDiscovery, Operation`", "The status is one of the enumeration.", .knownState),
        .known(
            "`Upstream-GraphEDiscovery, Operation`",
            "An operation tells its progress.",
            .member("percentProgress", [.integer], .always)
        ),
        .known(
            "`Upstream-GraphEDiscovery, Operation`",
            "An operation has the date of its creation.",
            .member("createdDateTime", [.date], .always)
        ),
        .known(
            "`Upstream-GraphEDiscovery, Operation`",
            "An operation tells who created it.",
            .member("createdBy", [.object], .always)
        ),
        .known(
            "`Upstream-GraphEDiscovery, Operation`",
            "The result, where it comes, is an object.",
            .member("resultInfo", [.object, .null], .sometimes)
        ),
        .assumed(
            "`Upstream-GraphEDiscovery, Operation`",
            "While an operation runs, its completion is in the year 1.",
            .member("completedDateTime", [.unsetDate], .beforeDone)
        ),
        .known(
            "`Upstream-GraphEDiscovery, Operation`",
            "A finished operation has the date of its completion.",
            .member("completedDateTime", [.date], .whenDone)
        ),
    ]

    private static let operation = CallExpectations(
        "graph-ediscovery.operation",
        state: words,
        knownMembers: members,
        common + [
            .known(
                "`Upstream-GraphEDiscovery, Files`",
                "A finished operation lists its files.",
                .member("exportFileMetadata", [.array, .object], .whenDone)
            ),
            .unknown(
                "`Upstream-GraphEDiscovery, Files`",
                "The list of files is a collection.",
                .member("exportFileMetadata", [.array], .whenDone)
            ),
            .known(
                "`Upstream-GraphEDiscovery, Files`",
                "Each file has a name.",
                .member("exportFileMetadata/fileName", [.text], .always)
            ),
            .known(
                "`Upstream-GraphEDiscovery, Files`",
                "Each file has its size.",
                .member("exportFileMetadata/size", [.integer], .always)
            ),
            .known(
                "`Upstream-GraphEDiscovery, Files`",
                "Each file has its link.",
                .member("exportFileMetadata/downloadUrl", [.link], .always)
            ),
        ]
    )

    private static let formerOperation = CallExpectations(
        "graph-ediscovery.operation",
        state: words,
        knownMembers: members + ["azureBlobContainer", "outputFolderId"],
        common
    )

    private static let link = CallExpectations(
        "graph-ediscovery.download-url",
        knownMembers: ["@odata.context"],
        [
            .known("`Upstream-GraphEDiscovery, Calls`", "The link is answered with 200.", .status([200])),
            .known(
                "`Upstream-GraphEDiscovery, Calls`",
                "The answer has the link in value.",
                .member("value", [.link], .always)
            ),
        ]
    )

    private static let download = CallExpectations(
        "graph-ediscovery.download",
        [
            .assumed(
                "`Upstream-GraphEDiscovery, Download`",
                "The link is answered with 200, a part of the file with 206.",
                .status([200, 206])
            ),
            .unknown("`Upstream-GraphEDiscovery, Download`", "Parts of the file are served.", .parts),
            .unknown(
                "`Upstream-GraphEDiscovery, Download`",
                "A length is told.",
                .header("content-length", [.wholeNumber], .always),
                ifWrong: "downloads.measure: unknownLength"
            ),
        ]
    )

    private static let formerDownload = CallExpectations(
        "graph-ediscovery.download",
        [
            .known(
                "`Upstream-GraphEDiscovery, Pre-signed links`",
                "The link is answered with 200, a part of the file with 206.",
                .status([200, 206])
            ),
            .known("`Upstream-GraphEDiscovery, Pre-signed links`", "Parts of the file are served.", .parts),
        ]
    )
}
