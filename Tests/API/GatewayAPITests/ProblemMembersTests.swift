import Exports
import JSON
import Testing

@testable import GatewayAPI

@Suite struct ProblemMembersTests {
    private static let file = ExportFile(
        id: "1",
        name: "a.pdf",
        size: 12,
        contentType: "application/pdf",
        sha256: "ab"
    )

    @Test(
        arguments: [
            (.allow(["GET", "HEAD"]), #"{"allow":["GET","HEAD"]}"#),
            (.parameter("limit"), #"{"parameter":"limit"}"#),
            (.permission("Exports.Read"), #"{"permission":"Exports.Read"}"#),
            (
                .files([
                    FileChoice(file, href: "files/1"), FileChoice(ExportFile(id: "2", name: "b"), href: "files/2"),
                ]),
                #"{"files":[{"contentType":"application/pdf","href":"files/1","id":"1","name":"a.pdf","sha256":"ab","#
                    + #""size":12},{"href":"files/2","id":"2","name":"b"}]}"#
            ),
            (
                .quota(Quota(.perCaller, limit: 3)),
                #"{"quota":{"limit":3,"name":"downloads-per-caller","unit":"concurrent-requests"}}"#
            ),
            (.destination("https://a/b"), #"{"destination":"https://a/b"}"#),
            (.size(50_000), #"{"size":50000}"#),
            (.reason(.diskFull), #"{"reason":"ledger-disk-full"}"#),
            (
                .notReady([.ledgerUnreadable, .impediment(.readOnly)]),
                #"{"readiness":"notReady","reasons":[{"code":"ledger-unreadable","#
                    + #""detail":"The gateway cannot reach its ledger."},{"code":"ledger-read-only","#
                    + #""detail":"The gateway's ledger can only be read."}]}"#
            ),
            (.existing("job-1"), #"{"existing":"job-1"}"#),
        ] as [(ProblemMembers, String)]
    )
    func eachKindHasItsMembers(members: ProblemMembers, text: String) {
        let bytes = JSONWriter.object { $0.members(members) }
        #expect(String(decoding: bytes, as: UTF8.self) == text)
    }
}
