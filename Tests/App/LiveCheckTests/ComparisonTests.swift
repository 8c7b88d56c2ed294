import JSON
import Testing
import UpstreamHTTP

@testable import LiveCheck

@Suite struct ComparisonTests {
    private static let good = [Sample.answer(Sample.running), Sample.answer(Sample.done)]

    @Test func answersAsDocumented() {
        let findings = Sample.findings(Self.good, part: .sameBytes)
        #expect(findings.allSatisfy { $0.outcome != .differs })
        let documented = findings.filter { $0.outcome == .asDocumented }.map(\.claim)
        #expect(
            documented == [
                "It is answered with 200.", "The state is of the list.", "There is an id.", "Each file has a size.",
                "Parts are served.",
            ]
        )
        #expect(Sample.finding("The state is of the list.", Self.good)?.observed == "done (1), running (1)")
    }

    @Test func anAssumptionThatHoldsIsDecided() {
        let finding = Sample.finding("The end has a date.", Self.good)
        #expect(finding?.outcome == .decided)
        #expect(finding?.isRight == true)
        #expect(finding?.observed == "date (1)")
    }

    @Test func aJobThatFailedIsNoJobThatRuns() {
        let body: JSONValue = ["id": "x", "status": "broken", "endedAt": "2026-06-01T10:00:00Z"]
        #expect(Sample.finding("Until then the date is none.", [Sample.answer(body)])?.outcome == .notObserved)
        #expect(Sample.finding("The end has a date.", [Sample.answer(body)])?.outcome == .notObserved)
    }

    @Test func withoutAnswersNothingIsObserved() {
        #expect(Sample.findings([]).allSatisfy { $0.outcome == .notObserved && $0.isRight == nil })
    }

    @Test func anotherStatusDiffers() {
        let finding = Sample.finding("It is answered with 200.", Self.good + [Sample.answer(nil, status: 404)])
        #expect(finding?.outcome == .differs)
        #expect(finding?.observed == "200 (2), 404 (1)")
        #expect(finding?.citation == Sample.source)
        #expect(finding?.citation.description.contains("`") == false)
    }

    @Test(arguments: [429, 503]) func refusalsThatAskToWaitDoNotCount(status: Int) {
        let finding = Sample.finding("It is answered with 200.", Self.good + [Sample.answer(nil, status: status)])
        #expect(finding?.outcome == .asDocumented)
    }

    /// A job that is not found at first, or a service that fails, is no reason to tell the operator to change a setting.
    @Test(
        arguments: [
            ([404, 200], true), ([500, 200], true), ([404, 404], false), ([400], false), ([401], nil),
            ([500, 429], nil), ([], nil),
        ] as [([Int], Bool?)]
    )
    func oneAnswerTellsThatAnAddressIsTaken(statuses: [Int], isTaken: Bool?) {
        let calls = CallExpectations(
            "sample.status",
            [.unknown("`Upstream-Graph, Jobs`", "The form is taken.", .addressTaken, ifWrong: "form: other")]
        )
        let log = AnswerLog([calls])
        for status in statuses { log.received(Sample.answer(nil, status: status), to: calls.operation) }
        let comparison = Comparison(
            expectations: calls,
            answers: log.answers(to: calls.operation),
            part: .notAsked
        )
        #expect(comparison.findings.first?.isRight == isTaken)
        #expect(comparison.findings.first?.setting == (isTaken == false ? "form: other" : nil))
    }

    @Test func aMissingMemberDiffers() {
        let finding = Sample.finding("There is an id.", Self.good + [Sample.answer(["status": "running"])])
        #expect(finding?.outcome == .differs)
        #expect(finding?.observed == "absent (1), text (2)")
    }

    @Test func anotherTypeDiffers() {
        #expect(
            Sample.finding("There is an id.", [Sample.answer(["id": 7, "status": "running"])])?.outcome == .differs
        )
    }

    @Test func namesOfMembersAreComparedWithoutRegardToCase() {
        #expect(Sample.finding("There is an id.", [Sample.answer(["ID": "x"])])?.outcome == .asDocumented)
    }

    @Test func whatIsNoJSONLacksEveryMember() {
        #expect(Sample.finding("There is an id.", [Sample.answer("only a text")])?.outcome == .differs)
        #expect(Sample.finding("There is an id.", [Sample.answer(nil)])?.observed == "absent (1)")
    }

    @Test func anUnknownStateDiffersAndIsNotShown() {
        let finding = Sample.finding(
            "The state is of the list.",
            [Sample.answer(["id": "x", "status": "hibernating"])]
        )
        #expect(finding?.outcome == .differs)
        #expect(finding?.observed == "a word that is not in the list (1)")
    }

    @Test func aMissingStateDiffers() {
        #expect(Sample.finding("The state is of the list.", [Sample.answer(["id": "x"])])?.observed == "absent (1)")
    }

    @Test func oneElementThatLacksAMemberDiffers() {
        let body: JSONValue = ["id": "x", "status": "done", "files": [["size": 5], ["name": "b"]]]
        #expect(Sample.finding("Each file has a size.", [Sample.answer(body)])?.outcome == .differs)
        let alone: JSONValue = ["id": "x", "status": "done", "files": ["size": 5]]
        #expect(Sample.finding("Each file has a size.", [Sample.answer(alone)])?.outcome == .asDocumented)
        #expect(Sample.finding("Each file has a size.", [Sample.answer(Sample.running)])?.outcome == .notObserved)
    }

    @Test func aHeaderThatNeedNotComeIsComparedWhereItComes() {
        let claim = "A wait is a number."
        #expect(Sample.finding(claim, Self.good)?.outcome == .notObserved)
        let number = Sample.answer(Sample.running, headers: [("Retry-After", "5")])
        #expect(Sample.finding(claim, Self.good + [number])?.outcome == .asDocumented)
        let words = Sample.answer(Sample.running, headers: [("Retry-After", "in a minute")])
        #expect(Sample.finding(claim, Self.good + [words])?.outcome == .differs)
    }

    @Test func aQuestionIsDecidedEitherWayAndNamesTheSetting() {
        let bare = Sample.finding("The entity is bare.", Self.good)
        #expect(bare?.outcome == .decided)
        #expect(bare?.setting == "bare: true")
        let wrapped = Sample.finding("The entity is bare.", [Sample.answer(["value": Sample.done])])
        #expect(wrapped?.isRight == false)
        #expect(wrapped?.setting == "bare: false")
        #expect(Sample.finding("There is an id.", [Sample.answer(["value": Sample.done])])?.outcome == .asDocumented)
    }

    @Test func whetherSomethingIsEverThereIsAQuestionToo() {
        let finding = Sample.finding("There is a hint.", Self.good)
        #expect(finding?.outcome == .decided)
        #expect(finding?.isRight == false)
    }

    @Test(arguments: [
        (PartAnswer.notAsked, Finding.Outcome.notObserved), (.whole, .differs), (.sameBytes, .asDocumented),
        (.otherBytes, .differs),
    ])
    func partsAreServedOnlyWithTheSameBytes(part: PartAnswer, outcome: Finding.Outcome) {
        #expect(Sample.finding("Parts are served.", Self.good, part: part)?.outcome == outcome)
    }

    @Test func mediaTypesOfAKindAndAlone() {
        let calls = CallExpectations(
            "sample.file",
            [.known("`Upstream-Graph, Jobs`", "It is a picture.", .mediaType(["image/*", "text/csv"]))]
        )
        func outcome(_ type: String) -> Finding? {
            let log = AnswerLog([calls])
            log.opened(status: 200, headers: UpstreamHeaders([("Content-Type", type)]), of: calls.operation)
            return Comparison(expectations: calls, answers: log.answers(to: calls.operation), part: .notAsked).findings
                .first
        }
        #expect(outcome("image/png")?.outcome == .asDocumented)
        #expect(outcome("Text/CSV; charset=utf-8")?.observed == "text/csv (1)")
        #expect(outcome("text/html")?.observed == "another type (1)")
    }
}
