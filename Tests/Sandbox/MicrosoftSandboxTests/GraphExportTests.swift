import Exports
import JSON
import ManualClock
import MicrosoftSandbox
import NIOCore
import NIOHTTP1
import Testing

@Suite struct GraphExportTests {
    static let result: JSONValue = [
        "displayName": "Export 1", "description": "marker-1", "exportCriteria": "searchHits, partiallyIndexed",
        "additionalOptions": "none,includeReport", "exportFormat": "pst", "unheardOf": true,
    ]

    @Test func aSearchExportWalksToItsFiles() async throws {
        try await withLab { lab in
            let token = try await lab.token(Lab.graphScope)
            let start = try await lab.post(
                "\(lab.security)/searches/\(SandboxSeed.searchID)/exportResult",
                token: token,
                Self.result
            )
            #expect(start.status == 202)
            #expect(start.body.readableBytes == 0)
            #expect(start.headers.first(name: "Content-Length") == "0")
            #expect(start.headers.contains(name: "request-id") && start.headers.contains(name: "client-request-id"))
            let id = try #require(start.operationID)
            #expect(UUIDText.isValid(id))
            #expect(
                start.location == "\(lab.addresses.api)/v1.0/security/cases/ediscoverycases('\(SandboxSeed.caseID)')"
                    + "/operations('\(id)')"
            )
            let location = try #require(start.location)

            func poll() async throws -> JSONValue { try await lab.get(location, token: token).json }
            var operation = try await poll()
            #expect(operation["status"] == "notStarted")
            #expect(operation["percentProgress"] == 0)
            #expect(operation["completedDateTime"] == "0001-01-01T00:00:00Z")
            #expect(operation["@odata.type"] == "#microsoft.graph.security.ediscoverySearchExportOperation")
            #expect(operation["exportFileMetadata"] == [])
            lab.time.advance(by: .milliseconds(500))
            operation = try await poll()
            #expect(operation["status"] == "running")
            #expect(operation["percentProgress"] == 0)
            lab.time.advance(by: .milliseconds(600))
            #expect(try await poll()["percentProgress"] == 50)
            lab.finishJobs()
            operation = try await poll()
            #expect(operation["status"] == "succeeded")
            #expect(operation["percentProgress"] == 100)
            #expect(operation["resultInfo"] == .null)
            let completed = try #require(operation["completedDateTime"]?.string)
            #expect(Timestamp(rfc3339: completed) != nil && !completed.hasSuffix("0Z"))
            #expect(operation["displayName"] == "Export 1")
            #expect(operation["description"] == "marker-1")
            #expect(operation["exportCriteria"] == "searchHits,partiallyIndexed")
            let files = try #require(operation["exportFileMetadata"]?.array)
            #expect(files.map { $0["fileName"]?.string } == ["PSTs.001.Export_1.zip", "Reports-Export_1.zip"])
            #expect(files.map { $0["size"] } == [65_536, 7964])
            #expect(files.allSatisfy { $0["downloadUrl"]?.string?.hasPrefix(lab.addresses.proxy) == true })
        }
    }

    @Test func membersPastUnknownFutureValueAreMaskedUnlessAskedFor() async throws {
        try await withLab { lab in
            let token = try await lab.token(Lab.graphScope)
            let start = try await lab.post(
                "\(lab.security)/searches/\(SandboxSeed.searchID)/exportResult",
                token: token,
                Self.result
            )
            let location = try #require(start.location)
            let plain = try await lab.get(location, token: token).json
            #expect(plain["action"] == "unknownFutureValue")
            #expect(plain["additionalOptions"] == "none,unknownFutureValue")
            let preferring = [("Prefer", "return=representation, include-unknown-enum-members")]
            let asked = try await lab.get(location, token: token, headers: preferring).json
            #expect(asked["action"] == "exportResult")
            #expect(asked["additionalOptions"] == "none,includeReport")
            let listed = try await lab.get("\(lab.security)/operations", token: token).json
            #expect(listed["value"]?.array?.first?["action"] == "unknownFutureValue")
            #expect(listed["value"]?.array?.first?["@odata.type"] == nil)
        }
    }

    @Test func keysActionsAndCaseAreReadInEveryForm() async throws {
        try await withLab { lab in
            let token = try await lab.token(Lab.graphScope)
            let (graphCase, set) = (SandboxSeed.caseID, SandboxSeed.reviewSetID)
            let root = "\(lab.addresses.api)/BETA/Security/Cases/EDISCOVERYCASES"
            for path in [
                "\(root)/\(graphCase)/reviewsets/\(set)/microsoft.graph.security.export",
                "\(root)('\(graphCase)')/reviewSets('\(set.uppercased())')/export",
                "\(root)(%27\(graphCase)%27)/reviewSets/\(set)/queries('\(SandboxSeed.reviewSetQueryID)')/Export",
            ] {
                let start = try await lab.post(path, token: token, ["outputName": "x", "exportStructure": "msg"])
                #expect(start.status == 202, "\(path)")
                let id = try #require(start.operationID)
                #expect(id.count == 32)
                for key in ["operations/\(id)", "Operations('\(id)')"] {
                    #expect(try await lab.get("\(lab.security)/\(key)", token: token).json["id"]?.string == id)
                }
            }
            // A half-qualified name was a bug of an SDK and fails.
            let wrong = try await lab.post(
                "\(root)/\(graphCase)/reviewsets/\(set)/security.export",
                token: token,
                ["outputName": "x"]
            )
            #expect(wrong.status == 404)
        }
    }

    @Test func wrongTokensAndUnknownThingsAreRefusedInGraphsForm() async throws {
        try await withLab { lab in
            let powerBI = try await lab.token(Lab.powerBIScope)
            for token in [nil, "nonsense", powerBI] {
                let reply = try await lab.get(
                    lab.security,
                    token: token,
                    headers: [("client-request-id", "5d8b1c4e-0000-4000-8000-000000000001")]
                )
                #expect(reply.status == 401)
                #expect(reply.json["error"]?["code"] == "Unauthorized")
                let inner = reply.json["error"]?["innerError"]
                #expect(inner?["client-request-id"] == "5d8b1c4e-0000-4000-8000-000000000001")
                #expect(inner?["request-id"]?.string == reply.headers.first(name: "request-id"))
                #expect(inner?["date"] == "2026-05-28T20:26:40")
            }
            let token = try await lab.token(Lab.graphScope)
            let other = "00000000-0000-0000-0000-000000000000"
            let root = "\(lab.addresses.api)/v1.0/security/cases/ediscoveryCases"
            #expect(try await lab.get("\(root)/\(other)/operations", token: token).status == 404)
            #expect(try await lab.get("\(lab.security)/operations/\(other)", token: token).status == 404)
            let search = "\(lab.security)/searches/\(SandboxSeed.searchID)"
            #expect(try await lab.post("\(search)/exportReport", token: token, ["displayName": "x"]).status == 400)
            let bad: JSONValue = ["exportCriteria": "searchHit", "additionalOptions": "none"]
            #expect(try await lab.post("\(search)/exportReport", token: token, bad).status == 400)
            let method = try await lab.get("\(search)/exportReport", token: token)
            #expect(method.status == 405)
            #expect(method.headers.first(name: "Allow") == "POST")
            #expect(try await lab.get("\(lab.security)/operations", token: SandboxSeed.delegatedToken).status == 403)
        }
    }

    @Test func listsComeInPagesWhoseLinkIsOpaque() async throws {
        var settings = SandboxSettings()
        settings.pageSize = 2
        try await withLab(settings) { lab in
            let token = try await lab.token(Lab.graphScope)
            let export = "\(lab.security)/reviewSets/\(SandboxSeed.reviewSetID)/export"
            for index in 0..<5 {
                _ = try await lab.post(export, token: token, ["outputName": .string("x\(index)")])
            }
            var names: [String] = []
            var next: String? = "\(lab.security)/operations?$top=200"
            while let url = next {
                let page = try await lab.get(url, token: token).json
                names += page["value"]?.array?.compactMap { $0["outputName"]?.string } ?? []
                next = page["@odata.nextLink"]?.string
            }
            #expect(names == ["x4", "x3", "x2", "x1", "x0"])
            let page = try await lab.get("\(lab.security)/operations", token: token).json
            let link = try #require(page["@odata.nextLink"]?.string)
            #expect(link.contains("%2b"))
            let altered = [link.replacing("%2b", with: "%2B"), link.replacing("%2b", with: "+")]
            for url in altered { #expect(try await lab.get(url, token: token).status == 400) }
        }
    }

    @Test(arguments: [
        (SandboxFault.failed, "failed", Int64(500)), (.submissionFailed, "submissionFailed", 400),
        (.partiallySucceeded, "partiallySucceeded", 206),
    ])
    func failuresCarryAResultInfo(fault: SandboxFault, status: String, code: Int64) async throws {
        try await withLab { lab in
            let token = try await lab.token(Lab.graphScope)
            lab.sandbox.addRule(SandboxRule(operation: "graph.start", match: "marker-1", fault: fault))
            let start = try await lab.post(
                "\(lab.security)/searches/\(SandboxSeed.searchID)/exportResult",
                token: token,
                Self.result
            )
            lab.finishJobs()
            let operation = try await lab.get(try #require(start.location), token: token).json
            #expect(operation["status"]?.string == status)
            #expect(operation["resultInfo"]?["code"] == .integer(code))
            #expect(operation["resultInfo"]?["subcode"]?.integer != nil)
            #expect(operation["resultInfo"]?["message"]?.string?.isEmpty == false)
            #expect(operation["exportFileMetadata"]?.array?.count == (status == "partiallySucceeded" ? 2 : 0))
        }
    }

    @Test func stuckUnknownAndLaggingJobs() async throws {
        try await withLab { lab in
            let token = try await lab.token(Lab.graphScope)
            let export = "\(lab.security)/reviewSets/\(SandboxSeed.reviewSetID)/export"
            lab.sandbox.addRule(SandboxRule(operation: "security.export", match: "name-one", fault: .stuck))
            lab.sandbox.addRule(
                SandboxRule(operation: "security.export", match: "name-two", fault: .unknownStatus("queued"))
            )
            lab.sandbox.addRule(
                SandboxRule(operation: "security.export", match: "name-three", fault: .metadataLag(seconds: 5))
            )
            var locations: [String] = []
            for name in ["name-one", "name-two", "name-three"] {
                let start = try await lab.post(export, token: token, ["outputName": .string(name)])
                locations.append(try #require(start.location))
            }
            lab.finishJobs()
            var seen: [String?] = []
            for location in locations { seen.append(try await lab.get(location, token: token).json["status"]?.string) }
            #expect(seen == ["running", "queued", "succeeded"])
            #expect(try await lab.get(locations[2], token: token).json["exportFileMetadata"] == [])
            lab.time.advance(by: .seconds(5))
            #expect(try await lab.get(locations[2], token: token).json["exportFileMetadata"]?.array?.count == 2)
        }
    }

    @Test func theRetiredDialectGivesOneSignedPackage() async throws {
        try await withLab { lab in
            let token = try await lab.token(Lab.graphScope)
            let export = "\(lab.compliance)/reviewsets/\(SandboxSeed.reviewSetID)/export"
            let start = try await lab.post(
                export,
                token: token,
                ["outputName": "Old", "description": "d", "exportOptions": "originalFiles,fileInfo,tags"]
            )
            #expect(start.status == 202)
            let id = try #require(start.operationID)
            #expect(start.location?.hasSuffix("/cases('\(SandboxSeed.caseID)')/operations('\(id)')") == true)
            let cast = "\(lab.compliance)/operations/\(id)/microsoft.graph.ediscovery.caseExportOperation"
            #expect(try await lab.get("\(cast)/getDownloadUrl", token: token).status == 400)
            lab.finishJobs()
            let operation = try await lab.get(cast, token: token).json
            #expect(operation["action"] == "contentExport")
            #expect(operation["exportFileMetadata"] == nil)
            let link = try await lab.get("\(cast)/getDownloadUrl()", token: token)
            let url = try #require(link.json["value"]?.string)
            #expect(url.hasPrefix("\(lab.addresses.blob)/packaging"))
            #expect(try await lab.get(url).status == 200)
            let listed = try await lab.get("\(lab.compliance)/operations", token: token).json["value"]?.array
            #expect(listed?.count == 1)
            #expect(try await lab.get("\(lab.security)/operations", token: token).json["value"] == [])
            let v1 = lab.compliance.replacing("/beta/", with: "/v1.0/")
            #expect(try await lab.get("\(v1)/operations", token: token).status == 404)
        }
    }

    @Test func exportsToOwnStorageLeaveNothingToDownload() async throws {
        try await withLab { lab in
            let token = try await lab.token(Lab.graphScope)
            let start = try await lab.post(
                "\(lab.compliance)/reviewsets/\(SandboxSeed.reviewSetID)/microsoft.graph.ediscovery.export",
                token: token,
                ["outputName": "x", "azureBlobContainer": "https://me.example/c", "azureBlobToken": "sas-of-mine"]
            )
            lab.finishJobs()
            let location = try #require(start.location)
            #expect(try await lab.get(location, token: token).json["status"] == "succeeded")
            let link = try await lab.get(
                "\(location)/microsoft.graph.ediscovery.caseExportOperation/getDownloadUrl",
                token: token
            )
            #expect(link.status == 400)
            #expect(lab.sandbox.secrets.contains("sas-of-mine"))
        }
    }

    @Test func getDownloadUrlIsDeadInTheLivingDialect() async throws {
        try await withLab { lab in
            let token = try await lab.token(Lab.graphScope)
            let reply = try await lab.get(
                "\(lab.security)/operations/x/microsoft.graph.security.ediscoveryExportOperation/getDownloadUrl",
                token: token
            )
            #expect(reply.status == 400)
            #expect(
                reply.json["error"]?["message"] == "Specified HTTP method is not allowed for the request target."
            )
        }
    }

    @Test func estimatesAreOperationsToo() async throws {
        try await withLab { lab in
            let token = try await lab.token(Lab.graphScope)
            let search = "\(lab.security)/searches/\(SandboxSeed.searchID)"
            let last = "\(search)/lastEstimateStatisticsOperation"
            #expect(try await lab.get(last, token: token).status == 404)
            #expect(try await lab.post("\(search)/estimateStatistics", token: token, [:]).status == 202)
            lab.finishJobs()
            let operation = try await lab.get(last, token: token).json
            #expect(operation["status"] == "succeeded")
            #expect(operation["action"] == "estimateStatistics")
        }
    }
}
