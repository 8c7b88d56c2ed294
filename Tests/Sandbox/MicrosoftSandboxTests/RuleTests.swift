import Exports
import JSON
import ManualClock
import MicrosoftSandbox
import NIOCore
import NIOHTTP1
import Testing

@Suite struct RuleTests {
    private func rule(_ lab: Lab, _ rule: JSONValue) async throws -> Reply {
        try await lab.post("\(lab.addresses.api)/_sandbox/rules", rule)
    }

    private func read(_ lab: Lab) async throws -> Reply { try await lab.get(lab.goals, token: GoalsTests.user) }

    @Test func rulesCountAfterAndTimes() async throws {
        try await withLab { lab in
            #expect(
                try await rule(
                    lab,
                    ["operation": "goals.list", "after": 1, "times": 2, "fault": ["kind": "status", "status": 503]]
                )
                .status == 204
            )
            var seen: [Int] = []
            for _ in 0..<4 { seen.append(try await read(lab).status) }
            #expect(seen == [200, 503, 503, 200])
        }
    }

    @Test func deletedRulesAreOutOfForce() async throws {
        try await withLab { lab in
            _ = try await rule(lab, ["fault": ["kind": "status", "status": 500, "body": ["Message": "x"]]])
            let broken = try await read(lab)
            #expect(broken.status == 500)
            #expect(broken.json == ["Message": "x"])
            #expect(try await lab.send(.DELETE, "\(lab.addresses.api)/_sandbox/rules").status == 204)
            #expect(try await read(lab).status == 200)
        }
    }

    @Test func statusRulesCarryTheirBodyAndFields() async throws {
        try await withLab { lab in
            _ = try await rule(
                lab,
                [
                    "operation": "viva-goals.*",
                    "fault": [
                        "kind": "status", "status": 503, "body": "later",
                        "headers": ["Retry-After": "120", "X-A": "b"],
                    ],
                ]
            )
            let reply = try await read(lab)
            #expect(reply.text == "later")
            #expect(reply.headers.first(name: "Retry-After") == "120")
            #expect(reply.headers.first(name: "X-A") == "b")
        }
    }

    @Test func throttlingWithFractionsAndWithoutAWord() async throws {
        try await withLab { lab in
            _ = try await rule(
                lab,
                ["operation": "*.list", "times": 1, "fault": ["kind": "throttled", "retryAfter": "2.128"]]
            )
            _ = try await rule(lab, ["operation": "*.list", "fault": ["kind": "throttled", "withoutHeader": true]])
            let first = try await read(lab)
            #expect(first.status == 429)
            #expect(first.headers.first(name: "Retry-After") == "2.128")
            #expect(first.json["error"]?["code"] == "TooManyRequests")
            #expect(first.json["error"]?["innerError"]?["status"] == "429")
            let second = try await read(lab)
            #expect(second.status == 429)
            #expect(!second.headers.contains(name: "Retry-After"))
        }
    }

    @Test func badRulesAreRefusedByName() async throws {
        try await withLab { lab in
            let bad: [(JSONValue, String)] = [
                (["fault": ["kind": "cutDownlod", "afterBytes": 1]], "/fault/kind"),
                (["fault": ["kind": "cutDownload"]], "/fault/afterBytes"),
                (["fault": ["kind": "failed"], "operation": "power-bi.begin"], "/operation"),
                (["fault": ["kind": "failed", "loudly": true]], "/fault/loudly"),
                (["fault": ["kind": "failed"], "time": 1], "/time"),
                (["fault": ["kind": "echo", "status": 200]], "/fault/status"),
                (["fault": ["kind": "echo", "writing": "backwards"]], "/fault/writing"),
                (["fault": ["kind": "failed"], "connection": "old"], "/connection"),
                (["fault": ["kind": "headers"]], "/fault/set"),
                (["fault": ["kind": "headers", "set": ["Content-Length": "3"]]], "/fault/set"),
                (["fault": ["kind": "headers", "remove": [1]]], "/fault/remove"),
                (["fault": ["kind": "members"]], "/fault/set"),
                (["fault": ["kind": "rewrite", "find": "", "with": ""]], "/fault/find"),
                (["fault": ["kind": "padding"]], "/fault/bytes"),
                (["fault": ["kind": "listedSize"]], "/fault/differsBy"),
                (["fault": ["kind": "leadingBytes", "hex": "xyz"]], "/fault/hex"),
                (["fault": ["kind": "location", "place": "there"]], "/fault/place"),
                (["fault": ["kind": "framing"]], "/fault/head"),
                (["fault": ["kind": "raw"]], "/fault/text"),
                ([:], "/fault"),
            ]
            for (body, pointer) in bad {
                let reply = try await rule(lab, body)
                #expect(reply.status == 400)
                #expect(reply.json["faults"]?.array?.first?["pointer"]?.string == pointer)
            }
        }
    }

    @Test func everyKindIsReadFromTheControlPlane() async throws {
        let faults: [JSONValue] = [
            ["kind": "slow", "milliseconds": 1], ["kind": "throttled", "retryAfter": 3],
            ["kind": "status", "status": 500], ["kind": "failed"], ["kind": "failedBusy", "retryAfter": 1],
            ["kind": "partiallySucceeded"], ["kind": "submissionFailed"], ["kind": "stuck"],
            ["kind": "unknownStatus", "value": "x"], ["kind": "metadataLag", "seconds": 1],
            ["kind": "cutDownload", "afterBytes": 1], ["kind": "stallDownload", "afterBytes": 1],
            ["kind": "shortDownload"], ["kind": "wrongLength"], ["kind": "expiredLink"],
            ["kind": "wrongContentType", "contentType": "a/b"], ["kind": "htmlSignIn"], ["kind": "tokenRevoked"],
            ["kind": "cutConnection", "started": true], ["kind": "fileContent", "bytes": 1, "content": "pst"],
            ["kind": "noContentLength"], ["kind": "dripDownload", "bytesPerSecond": 1], ["kind": "quotedLocation"],
            ["kind": "wrappedEntity"], ["kind": "idWithReserved"], ["kind": "preAuthorizedLink"],
            ["kind": "noRanges"], ["kind": "ranges"], ["kind": "changedFile"], ["kind": "noETag"],
            ["kind": "consentRequired"], ["kind": "interactionRequired", "claims": "{}"], ["kind": "identityNotFound"],
            ["kind": "echo"], ["kind": "echo", "status": 401, "writing": "escaped"], ["kind": "raw", "text": ""],
            ["kind": "headers", "set": ["A": "b"], "remove": ["C"]], ["kind": "members", "set": ["a": .null]],
            ["kind": "rewrite", "find": "a", "with": ""], ["kind": "padding", "bytes": 1, "entries": true],
            ["kind": "location", "place": "body"], ["kind": "emptyBody"], ["kind": "listLag", "seconds": 1],
            ["kind": "listedSize", "differsBy": -1], ["kind": "leadingBytes", "hex": "efbbbf"], ["kind": "gzip"],
            ["kind": "framing", "head": "lengthTwice"], ["kind": "status", "status": 500, "started": true],
            ["kind": "report", "rows": 0, "members": 2, "uneven": true],
            ["kind": "cutConnection", "reset": true], ["kind": "statusCode", "status": 200],
        ]
        #expect(Set(faults.compactMap { $0["kind"]?.string }) == Set(SandboxFault.kinds))
        try await withLab { lab in
            for fault in faults {
                let reply = try await rule(lab, ["operation": "*", "fault": fault])
                #expect(reply.status == 204, "\(fault)")
            }
        }
    }

    @Test(arguments: SandboxWriting.allCases)
    func anEchoRepeatsWhatItWasSent(writing: SandboxWriting) async throws {
        let repeated: [String: String] = [
            "plain": "s3cret+", "percentEncoded": "%73%33%63%72%65%74%2b",
            "escaped": #"\u0073\u0033\u0063\u0072\u0065\u0074\u002b"#,
        ]
        let words = try #require(repeated[writing.rawValue])
        try await withLab { lab in
            lab.sandbox.addRule(SandboxRule(operation: "*", fault: .echo(status: 403, writing: writing)))
            let form = try await lab.form(lab.tokenURL, "client_id=c&client_secret=s3cret%2B")
            #expect(form.json["error"] == "invalid_client")
            let called = try await lab.get(lab.goals, token: "s3cret+")
            #expect(called.json["error"]?["code"] == "BadRequest")
            let header = try await lab.get(
                "\(lab.addresses.api)/msi/token",
                headers: [("X-IDENTITY-HEADER", "s3cret+")]
            )
            #expect(header.json["error"] == "invalid_request")
            let link = try await lab.get("\(lab.addresses.blob)/a/b?sv=1&sig=s3cret%2B")
            for reply in [form, called, header, link] {
                #expect(reply.status == 403)
                #expect(reply.text.contains(words))
                #expect(reply.headers.first(name: "x-ms-request-id") == words)
                #expect(reply.json != .null)
            }
            #expect(lab.sandbox.account.jobs.isEmpty)
        }
    }

    @Test func aCutConnectionMayHaveStartedTheJobOrNot() async throws {
        try await withLab { lab in
            for started in [false, true] {
                lab.sandbox.addRule(
                    SandboxRule(operation: "goals.start", times: 1, fault: .cutConnection(started: started))
                )
                await #expect(throws: (any Error).self) {
                    try await lab.post(lab.goals, token: GoalsTests.user, GoalsTests.request)
                }
                #expect(lab.sandbox.account.jobs.count == (started ? 1 : 0))
            }
            #expect(lab.sandbox.account.calls.map(\.status) == [0, 0])
            let second = try await lab.post(lab.goals, token: GoalsTests.user, GoalsTests.request)
            #expect(second.status == 409)
        }
    }

    @Test func slowAnswersWaitOnTheSandboxClock() async throws {
        try await withLab { lab in
            lab.sandbox.addRule(SandboxRule(operation: "*", times: 1, fault: .slow(milliseconds: 30_000)))
            let reply = Task { try await read(lab) }
            await lab.time.pauses(atLeast: 1)
            lab.time.advance(by: .seconds(30))
            let status = try await reply.value.status
            #expect(status == 200)
        }
    }

    @Test func quotedLocationsOfGraph() async throws {
        try await withLab { lab in
            let token = try await lab.token(Lab.graphScope)
            lab.sandbox.addRule(SandboxRule(operation: "graph.start", fault: .quotedLocation))
            let start = try await lab.post(
                "\(lab.security)/reviewSets/\(SandboxSeed.reviewSetID)/export",
                token: token,
                ["outputName": "x"]
            )
            #expect(start.location?.hasPrefix("\"http://") == true)
            #expect(start.location?.hasSuffix("\"") == true)
        }
    }

    @Test func aRightAnswerWithAnotherStatus() async throws {
        try await withLab { lab in
            let token = try await lab.token(Lab.graphScope)
            lab.sandbox.addRule(SandboxRule(operation: "graph.start", fault: .statusCode(201)))
            let start = try await lab.post(
                "\(lab.security)/reviewSets/\(SandboxSeed.reviewSetID)/export",
                token: token,
                ["outputName": "x"]
            )
            #expect(start.status == 201)
            #expect(start.location != nil)
        }
    }

    @Test func theAccountTellsJobsCallsAndSecrets() async throws {
        try await withLab { lab in
            let token = try await lab.token(Lab.graphScope)
            _ = try await lab.post(
                "\(lab.security)/searches/\(SandboxSeed.searchID)/exportReport",
                token: token,
                ["displayName": "R", "description": "m-1", "exportCriteria": "searchHits", "additionalOptions": "none"]
            )
            lab.finishJobs()
            let account = try await lab.get("\(lab.addresses.api)/_sandbox/account").json
            let job = try #require(account["jobs"]?.array?.first)
            #expect(job["service"] == "graph-ediscovery")
            #expect(job["name"] == "R")
            #expect(job["marker"] == "m-1")
            #expect(job["status"] == "succeeded")
            #expect(job["startedAt"] == "2026-05-28T20:26:40.120Z")
            let file = try #require(job["files"]?.array?.first)
            #expect(file["name"] == "Reports-R.zip")
            #expect(file["sha256"]?.string?.count == 64)
            #expect(account["counts"] == ["entra.token": 1, "security.exportReport": 1])
            let call = try #require(account["calls"]?.array?.last)
            #expect(call["method"] == "POST")
            #expect(call["operation"] == "security.exportReport")
            #expect(call["status"] == 202)
            let secrets = try await lab.get("\(lab.addresses.api)/_sandbox/secrets").json["values"]?.array
            for secret in [token, SandboxSeed.clientSecret, SandboxSeed.delegatedToken] {
                #expect(secrets?.contains(.string(secret)) == true)
            }
            #expect(try await lab.get("\(lab.addresses.api)/_sandbox/health").json == ["status": "ok"])
        }
    }

    @Test func linksNameThePublicHost() async throws {
        var settings = SandboxSettings()
        settings.publicHost = "localhost"
        try await withLab(settings) { lab in
            let url = try await DownloadTests.file(lab)
            let port = try #require(lab.addresses.proxy.split(separator: ":").last)
            #expect(url.hasPrefix("http://localhost:\(port)/"))
            let start = try await lab.post(lab.goals, token: GoalsTests.user, GoalsTests.request)
            #expect(start.location?.hasPrefix("\"http://localhost:") == true)
        }
    }
}
