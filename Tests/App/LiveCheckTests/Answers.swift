import Exports
import JSON
import UpstreamHTTP

@testable import LiveCheck

/// Expectations of a service that there is not, and its answers.
enum Sample {
    static let source: Citation = "`Upstream-Graph, Jobs`"

    static let words = StateWords("status", ["running", "done", "broken"], done: ["done"], failed: ["broken"])

    static let calls = CallExpectations(
        "sample.status",
        state: words,
        knownMembers: ["comment"],
        [
            .known("`Upstream-Graph, Jobs`", "It is answered with 200.", .status([200])),
            .known("`Upstream-Graph, Jobs`", "The state is of the list.", .knownState),
            .known("`Upstream-Graph, Jobs`", "There is an id.", .member("id", [.text], .always)),
            .assumed("`Upstream-Graph, Jobs`", "The end has a date.", .member("endedAt", [.date], .whenDone)),
            .assumed(
                "`Upstream-Graph, Jobs`",
                "Until then the date is none.",
                .member("endedAt", [.unsetDate], .beforeDone)
            ),
            .known("`Upstream-Graph, Jobs`", "Each file has a size.", .member("files/size", [.integer], .always)),
            .known(
                "`Upstream-Graph, Throttling`",
                "A wait is a number.",
                .header("retry-after", [.wholeNumber], .sometimes)
            ),
            .unknown("`Upstream-Graph, Jobs`", "There is a hint.", .member("hint", [.text], .sometimes)),
            .unknown(
                "`Upstream-Graph, Jobs`",
                "The entity is bare.",
                .bareEntity,
                ifRight: "bare: true",
                ifWrong: "bare: false"
            ),
            .known("`Upstream-Graph, Jobs`", "Parts are served.", .parts),
        ]
    )

    static let running: JSONValue = [
        "id": "job-7", "status": "running", "endedAt": "0001-01-01T00:00:00Z", "files": [],
    ]
    static let done: JSONValue = [
        "id": "job-7", "status": "Done", "endedAt": "2026-06-01T10:00:00Z", "comment": "fine",
        "files": [["name": "a", "size": 5], ["name": "b", "size": 6]],
    ]

    static func answer(
        _ body: JSONValue?,
        status: Int = 200,
        headers: [(name: String, value: String)] = []
    ) -> UpstreamResponse {
        UpstreamResponse(
            status: status,
            headers: UpstreamHeaders(headers),
            body: body.map { Array($0.encoded()) } ?? [],
            receivedAt: Timestamp(milliseconds: 0)
        )
    }

    static func findings(_ answers: [UpstreamResponse], part: PartAnswer = .notAsked) -> [Finding] {
        let log = AnswerLog([calls])
        for answer in answers { log.received(answer, to: calls.operation) }
        return Comparison(expectations: calls, answers: log.answers(to: calls.operation), part: part).findings
    }

    /// The finding with this statement.
    static func finding(_ claim: String, _ answers: [UpstreamResponse], part: PartAnswer = .notAsked) -> Finding? {
        findings(answers, part: part).first { $0.claim == claim }
    }
}
