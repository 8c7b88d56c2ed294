import Exports
import Foundation
import JSON
import Testing

@testable import PowerBI

/// What is refused, where, and with which advice.
@Suite struct PowerBIFaultTests {
    struct Case: Sendable, CustomTestStringConvertible {
        var json: String
        var pointer: String
        var word: String

        init(_ json: String, _ pointer: String, _ word: String) {
            self.json = json
            self.pointer = pointer
            self.word = word
        }

        var testDescription: String { "\(pointer): \(word)" }
    }

    static func report(_ configuration: String) -> String {
        #"{"reportId":"\#(reportID)","format":"PDF","powerBIReportConfiguration":\#(configuration)}"#
    }

    static func paginated(_ configuration: String, format: String = "PDF") -> String {
        #"{"reportId":"\#(reportID)","format":"\#(format)","paginatedReportConfiguration":\#(configuration)}"#
    }

    static let topLevel = [
        Case("[]", "", "must be an object"),
        Case(#"{"format":"PDF"}"#, "/reportId", "is required"),
        Case(#"{"reportId":"SalesMarketing","format":"PDF"}"#, "/reportId", "UUID"),
        Case(#"{"reportId":"\#(reportID)"}"#, "/format", "is required"),
        Case(#"{"reportId":"\#(reportID)","format":"PDFF"}"#, "/format", #"did you mean "PDF"?"#),
        Case(#"{"reportId":"\#(reportID)","format":null}"#, "/format", "must not be null"),
        Case(#"{"reportId":"\#(reportID)","groupID":"\#(groupID)","format":"PDF"}"#, "/groupID", #""groupId""#),
        Case(#"{"reportId":"\#(reportID)","groupId":"me","format":"PDF"}"#, "/groupId", "UUID"),
        Case(#"{"reportId":"\#(reportID)","format":"PDF","reportType":"rdl"}"#, "/reportType", "PaginatedReport"),
        Case(#"{"reportId":"\#(reportID)","format":"PDF","pages":[]}"#, "/pages", "is not a member here"),
        Case(#"{"reportId":"\#(reportID)","format":"PNG","reportType":"PaginatedReport"}"#, "/format", "IMAGE"),
        Case(
            #"{"reportId":"\#(reportID)","format":"PDF","powerBIReportConfiguration":{},"paginatedReportConfiguration":{}}"#,
            "/paginatedReportConfiguration",
            "together"
        ),
        Case(
            #"{"reportId":"\#(reportID)","format":"PDF","reportType":"PowerBIReport","paginatedReportConfiguration":{}}"#,
            "/paginatedReportConfiguration",
            "use powerBIReportConfiguration"
        ),
        Case(
            #"{"reportId":"\#(reportID)","format":"PDF","reportType":"PaginatedReport","powerBIReportConfiguration":{}}"#,
            "/powerBIReportConfiguration",
            "use paginatedReportConfiguration"
        ),
    ]

    static let reports = [
        Case(report(#"{"identity":[]}"#), "/powerBIReportConfiguration/identity", "identities"),
        Case(report(#"{"identities":[]}"#), "/powerBIReportConfiguration/identities", "1 to"),
        Case(report(#"{"pages":[]}"#), "/powerBIReportConfiguration/pages", "1 to"),
        Case(report(#"{"pages":[{}]}"#), "/powerBIReportConfiguration/pages/0/pageName", "is required"),
        Case(
            report(
                #"{"pages":[\#(Array(repeating: #"{"pageName":"ReportSection"}"#, count: 51).joined(separator: ","))]}"#
            ),
            "/powerBIReportConfiguration/pages",
            "at most 50"
        ),
        Case(
            report(#"{"pages":[{"pageName":"a","bookmark":{"name":"b","state":"c"}}]}"#),
            "/powerBIReportConfiguration/pages/0/bookmark",
            "not both"
        ),
        Case(report(#"{"defaultBookmark":{}}"#), "/powerBIReportConfiguration/defaultBookmark", "name or state"),
        Case(
            report(#"{"defaultBookmark":{"nam":"b"}}"#),
            "/powerBIReportConfiguration/defaultBookmark/nam",
            #"did you mean "name"?"#
        ),
        Case(
            report(#"{"reportLevelFilters":[{"filter":"A/B eq 1"},{"filter":"A/C eq 1"}]}"#),
            "/powerBIReportConfiguration/reportLevelFilters",
            "one filter"
        ),
        Case(
            report(#"{"reportLevelFilters":[{"filter":"?filter=A/B eq 1"}]}"#),
            "/powerBIReportConfiguration/reportLevelFilters/0/filter",
            "without"
        ),
        Case(
            report(#"{"reportLevelFilters":[{"filter":"A/B eq 1 or A/B eq 2"}]}"#),
            "/powerBIReportConfiguration/reportLevelFilters/0/filter",
            "in ('a','b')"
        ),
        Case(
            report(#"{"reportLevelFilters":[{"filter":"A/B eq 'it's'"}]}"#),
            "/powerBIReportConfiguration/reportLevelFilters/0/filter",
            "written twice"
        ),
        Case(
            report(
                #"{"reportLevelFilters":[{"filter":"\#(Array(repeating: "A/B eq 1", count: 11).joined(separator: " and "))"}]}"#
            ),
            "/powerBIReportConfiguration/reportLevelFilters/0/filter",
            "at most 10"
        ),
        Case(
            report(#"{"settings":{"includeHiddenPages":"true"}}"#),
            "/powerBIReportConfiguration/settings/includeHiddenPages",
            "true or false"
        ),
        Case(
            report(#"{"settings":{"locale":"en us"}}"#),
            "/powerBIReportConfiguration/settings/locale",
            "language tag"
        ),
        Case(
            report(#"{"identities":[{"username":"a b"}]}"#),
            "/powerBIReportConfiguration/identities/0/username",
            "spaces"
        ),
        Case(
            report(#"{"identities":[{"roles":["x"]}]}"#),
            "/powerBIReportConfiguration/identities/0/username",
            "is required"
        ),
        Case(
            report(#"{"identities":[{"username":"a","roles":["x,y"]}]}"#),
            "/powerBIReportConfiguration/identities/0/roles/0",
            "must not contain"
        ),
        Case(
            report(#"{"identities":[{"username":"a","datasets":["x\u0007"]}]}"#),
            "/powerBIReportConfiguration/identities/0/datasets/0",
            "control characters"
        ),
        Case(
            report(
                #"{"identities":[{"username":"a","roles":[\#(Array(repeating: #""r""#, count: 51).joined(separator: ","))]}]}"#
            ),
            "/powerBIReportConfiguration/identities/0/roles",
            "1 to 50"
        ),
        Case(
            report(#"{"identities":[{"username":"a","roles":["\#(String(repeating: "r", count: 51))"]}]}"#),
            "/powerBIReportConfiguration/identities/0/roles/0",
            "1 to 50 characters"
        ),
        Case(
            report(#"{"identities":[{"username":"\#(String(repeating: "u", count: 257))"}]}"#),
            "/powerBIReportConfiguration/identities/0/username",
            "1 to 256"
        ),
        Case(
            report(#"{"identities":[{"username":"a","reports":["x"]}]}"#),
            "/powerBIReportConfiguration/identities/0/reports",
            "paginated reports only"
        ),
        Case(
            report(#"{"identities":[{"username":"a","identityBlob":{}}]}"#),
            "/powerBIReportConfiguration/identities/0/identityBlob/value",
            "is required"
        ),
    ]

    static let paginatedReports = [
        Case(
            paginated(#"{"formatSettings":{"StartPage":3}}"#),
            "/paginatedReportConfiguration/formatSettings/StartPage",
            #"write "3""#
        ),
        Case(
            paginated(#"{"formatSettings":{"AccessiblePDF":true}}"#),
            "/paginatedReportConfiguration/formatSettings/AccessiblePDF",
            #"write "true""#
        ),
        Case(
            paginated(#"{"formatSettings":{"PageHight":"11in"}}"#),
            "/paginatedReportConfiguration/formatSettings/PageHight",
            #"did you mean "PageHeight"?"#
        ),
        Case(
            paginated(#"{"formatSettings":{"rdl:StartPage":"1"}}"#),
            "/paginatedReportConfiguration/formatSettings/rdl:StartPage",
            "without the prefix"
        ),
        Case(
            paginated(#"{"formatSettings":{"AccessiblePDF":"true"}}"#, format: "PPTX"),
            "/paginatedReportConfiguration/formatSettings/AccessiblePDF",
            "UseReportPageSize"
        ),
        Case(
            paginated(#"{"formatSettings":{"OutputFormat":"WEBP"}}"#, format: "IMAGE"),
            "/paginatedReportConfiguration/formatSettings/OutputFormat",
            "TIFF"
        ),
        Case(
            paginated(#"{"formatSettings":{"outputFormat":"PNG"}}"#, format: "IMAGE"),
            "/paginatedReportConfiguration/formatSettings/outputFormat",
            #"did you mean "OutputFormat"?"#
        ),
        Case(
            paginated(#"{"parameterValues":[{"name":"Year","value":2026}]}"#),
            "/paginatedReportConfiguration/parameterValues/0/value",
            #"write "2026""#
        ),
        Case(
            paginated(#"{"parameterValues":[{"name":"City","value":["a","b"]}]}"#),
            "/paginatedReportConfiguration/parameterValues/0/value",
            "repeat"
        ),
        Case(
            paginated(#"{"parameterValues":[{"name":"City"}]}"#),
            "/paginatedReportConfiguration/parameterValues/0/value",
            "is required"
        ),
        Case(
            paginated(#"{"parameterValues":[{"value":"x"}]}"#),
            "/paginatedReportConfiguration/parameterValues/0/name",
            "is required"
        ),
        Case(
            paginated(#"{"identities":[{"username":"a"},{"username":"b"}]}"#),
            "/paginatedReportConfiguration/identities",
            "exactly one"
        ),
        Case(paginated(#"{"pages":[]}"#), "/paginatedReportConfiguration/pages", "is not a member here"),
    ]

    @Test("each fault is found, and no other", arguments: topLevel + reports + paginatedReports)
    func fault(_ item: Case) throws {
        let found = faults(try JSONValue(parsing: Data(item.json.utf8)))
        #expect(found.map(\.pointer).contains(item.pointer), "\(found)")
        #expect(found.filter { $0.pointer == item.pointer }.contains { $0.detail.contains(item.word) }, "\(found)")
        #expect(item.pointer.isEmpty || found.count == 1, "\(found)")
    }

    @Test("all faults of a request come at once")
    func together() {
        let found = faults([
            "format": "DOC", "workspace": "x",
            "powerBIReportConfiguration": ["pages": [["name": "a"]], "settings": ["language": "en"]],
        ])
        #expect(
            Set(found.map(\.pointer)) == [
                "/reportId", "/format", "/workspace", "/powerBIReportConfiguration/pages/0/pageName",
                "/powerBIReportConfiguration/pages/0/name", "/powerBIReportConfiguration/settings/language",
            ]
        )
    }

    @Test("no fault repeats a token")
    func secret() {
        let found = faults(
            options([
                "format": "PDF",
                "powerBIReportConfiguration": [
                    "identities": [["username": "a", "identityBlob": ["value": "tok\u{1}en-1", "vaule": "token-2"]]]
                ],
            ])
        )
        #expect(found.count == 2)
        #expect(!found.contains { $0.detail.contains("token-2") || $0.detail.contains("en-1") })
    }

    @Test(
        "filters that are fine pass",
        arguments: [
            "Store/Territory eq 'NC'", "Store/Chain in ('a or b','c and d')", "S/N eq 'O''Brien' and S/Y ge 2020",
            "Table_x0020_Name/Field lt datetime'2019-05-20T00:00:00'", "or/and eq 'not'",
        ]
    )
    func filters(text: String) {
        #expect(PowerBIFilter.fault(of: text) == nil)
    }
}
