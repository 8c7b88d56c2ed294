import Exports
import JSON
import Testing
import UpstreamHTTP

@testable import GraphEDiscovery

@Suite struct RequestTests {
    private typealias Dialect = GraphEDiscoverySettings.Dialect

    private static let caseID: JSONValue = "b0073e4e-4184-41c6-9eb7-8c8cc3e2288b"
    private static let reviewSet: [String: JSONValue] = [
        "caseId": caseID, "reviewSetId": .string(Workbench.reviewSetID), "outputName": "Contoso",
    ]
    private static let search: [String: JSONValue] = [
        "caseId": caseID, "searchId": .string(Workbench.searchID), "exportCriteria": "searchHits",
        "exportFormat": "pst",
    ]

    private static func faults(_ options: JSONValue, _ dialect: Dialect) throws -> [FieldFault] {
        do {
            _ = try GraphEDiscoveryRequest.validated(options, dialect: dialect)
            return []
        } catch {
            return error.faults
        }
    }

    /// Microsoft's own samples: the dialect they belong to, and where they lead.
    private static let samples: [(String, Dialect, [String: JSONValue])] = {
        let reviewSet: [String: JSONValue] = ["caseId": caseID, "reviewSetId": .string(Workbench.reviewSetID)]
        let result: [String: JSONValue] = ["caseId": caseID, "searchId": .string(Workbench.searchID)]
        let report = result.merging(["exportType": "exportReport"]) { $1 }
        return [
            ("legacy-reviewset-export.request.json", .ediscovery, reviewSet),
            ("security-reviewset-export.v1.request.json", .security, reviewSet),
            ("security-search-exportresult-1.request.json", .security, result),
            ("security-search-exportresult-2.request.json", .security, result),
            ("security-search-exportresult-3.request.json", .security, result),
            ("security-search-exportresult-4.request.json", .security, result),
            ("security-search-exportresult-4-old-beta.request.json", .security, result),
            ("security-search-exportresult-5-old-beta.request.json", .security, result),
            ("security-search-exportreport-1.request.json", .security, report),
            ("security-search-exportreport-2.request.json", .security, report),
            ("security-search-exportreport-4.request.json", .security, report),
            ("security-search-exportreport-5.request.json", .security, report),
        ]
    }()

    /// Samples that cannot be carried out, and why.
    private static let refusedSamples: [(String, Dialect, String, String)] = [
        // fileInfo has stopped working in this dialect, beta included.
        ("security-reviewset-export.beta.request.json", .security, "/exportOptions", "30 April 2023"),
        // Own storage has too; in the other dialect the report's blanked-out container is no address.
        ("issue1373-export-blob.request.json", .security, "/azureBlobToken", "30 April 2023"),
        ("issue1373-export-blob.request.json", .ediscovery, "/azureBlobContainer", "address of a container"),
        // Another action than an export.
        ("legacy-addtoreviewset.request.json", .ediscovery, "/additionalData", "is not a member here"),
    ]

    @Test(arguments: samples)
    private func everyDocumentedRequestIsAcceptedAndSentAsDocumented(
        name: String,
        dialect: Dialect,
        address: [String: JSONValue]
    ) throws {
        let sample = try #require(try Fixture.json(name).object)
        let options = JSONValue.object(sample.merging(address) { $1 })
        let (request, token) = try GraphEDiscoveryRequest.validated(options, dialect: dialect)
        #expect(token == nil)
        var documented = sample
        let description = sample["description"]?.string.map { $0 + " " } ?? ""
        documented["description"] = .string("\(description)[\(Workbench.marker.text)]")
        #expect(request.body(marker: Workbench.marker, token: nil) == .object(documented))
        #expect(try GraphEDiscoveryRequest(planned: request.source) == request)
    }

    @Test(arguments: refusedSamples)
    private func aDocumentedRequestThatCannotWorkIsRefusedWithTheReason(
        name: String,
        dialect: Dialect,
        pointer: String,
        reason: String
    ) throws {
        let sample = try #require(try Fixture.json(name).object)
        let address: [String: JSONValue] = ["caseId": Self.caseID, "reviewSetId": .string(Workbench.reviewSetID)]
        let faults = try Self.faults(.object(sample.merging(address) { $1 }), dialect)
        #expect(faults.contains { $0.pointer == pointer && $0.detail.contains(reason) })
    }

    @Test func everyDocumentedRequestIsTried() throws {
        let tried = Set(Self.samples.map(\.0) + Self.refusedSamples.map(\.0))
        #expect(try Set(Fixture.names.filter { $0.hasSuffix(".request.json") }) == tried)
    }

    private static let refusals: [(Dialect, [String: JSONValue], String, String)] = [
        (.security, reviewSet.merging(["caseId": "Contoso"]) { $1 }, "/caseId", "GUID"),
        (.security, reviewSet.filter { $0.key != "caseId" }, "/caseId", "required"),
        (.security, reviewSet.filter { $0.key != "outputName" }, "/outputName", "required"),
        (.security, ["caseId": caseID], "/reviewSetId", "or searchId"),
        (.security, reviewSet.merging(search) { $1 }, "/searchId", "cannot stand beside"),
        (.security, reviewSet.merging(["outputname": "x"]) { $1 }, "/outputname", "did you mean \"outputName\"?"),
        (.security, reviewSet.merging(["exportFormat": "pst"]) { $1 }, "/exportFormat", "export of a search"),
        (
            .security, reviewSet.merging(["exportOptions": "originalFiles,tag"]) { $1 }, "/exportOptions",
            "did you mean \"tags\"?"
        ),
        (.security, reviewSet.merging(["exportOptions": "unknownFutureValue"]) { $1 }, "/exportOptions", "not one of"),
        (.security, reviewSet.merging(["exportOptions": "tags, FILEINFO"]) { $1 }, "/exportOptions", "fileInfo"),
        (.security, reviewSet.merging(["exportOptions": .null]) { $1 }, "/exportOptions", "null"),
        (.security, reviewSet.merging(["exportOptions": 5]) { $1 }, "/exportOptions", "string"),
        (.security, reviewSet.merging(["exportStructure": "zip"]) { $1 }, "/exportStructure", "must be one of"),
        (
            .security, reviewSet.merging(["azureBlobContainer": "https://a.blob.core.windows.net/c"]) { $1 },
            "/azureBlobContainer", "ediscovery dialect"
        ),
        (.security, search.filter { $0.key != "exportCriteria" }, "/exportCriteria", "required"),
        (.security, search.filter { $0.key != "exportFormat" }, "/exportFormat", "required"),
        (.security, search.merging(["exportType": "exportReport"]) { $1 }, "/exportFormat", "exportResult"),
        (.security, search.merging(["exportType": "exportAll"]) { $1 }, "/exportType", "must be one of"),
        (
            .security, search.merging(["exportLocation": "responsiveLocations"]) { $1 }, "/exportLocation",
            "partiallyIndexed"
        ),
        (
            .security, search.merging(["additionalOptions": "none, includeReport"]) { $1 }, "/additionalOptions",
            "none beside"
        ),
        (.security, search.merging(["outputName": "x"]) { $1 }, "/outputName", "review set"),
        (.security, search.merging(["queryId": .string(Workbench.searchID)]) { $1 }, "/queryId", "review set"),
        (.security, search.merging(["exportSingleItems": "yes"]) { $1 }, "/exportSingleItems", "true or false"),
        (.security, search.merging(["documentVersion": "recent5"]) { $1 }, "/documentVersion", "must be one of"),
        (
            .ediscovery, reviewSet.merging(["queryId": .string(Workbench.searchID)]) { $1 }, "/queryId",
            "security dialect"
        ),
        (.ediscovery, search, "/searchId", "security dialect"),
        (.ediscovery, search, "/reviewSetId", "required"),
        (
            .ediscovery, reviewSet.merging(["exportOptions": "originalFiles,splitSource"]) { $1 }, "/exportOptions",
            "security dialect"
        ),
        (.ediscovery, reviewSet.merging(["exportStructure": "msg"]) { $1 }, "/exportStructure", "must be one of"),
    ]

    @Test(arguments: refusals)
    private func whatCannotWorkIsRefusedAtItsField(
        dialect: Dialect,
        options: [String: JSONValue],
        pointer: String,
        reason: String
    ) throws {
        let faults = try Self.faults(.object(options), dialect)
        #expect(faults.contains { $0.pointer == pointer && $0.detail.contains(reason) }, "\(faults)")
    }

    @Test func flagsMayHaveSpacesAndAnyCase() throws {
        let options = Self.reviewSet.merging(["exportOptions": "ORIGINALFILES , tags,tags"]) { $1 }
        let (request, _) = try GraphEDiscoveryRequest.validated(.object(options), dialect: .security)
        #expect(request.parameters["exportOptions"]?.string == "originalFiles,tags")
    }

    @Test func idsMayBeWrittenWithoutDashes() throws {
        let options = Self.reviewSet.merging(["caseId": "2AD2DA7C7DBB404ABFBBB28B7B6BABD6"]) { $1 }
        let (request, _) = try GraphEDiscoveryRequest.validated(.object(options), dialect: .ediscovery)
        #expect(request.caseID == "2ad2da7c7dbb404abfbbb28b7b6babd6")
    }

    private static let storage: [(String?, String?, String)] = [
        ("https://account.blob.core.windows.net/exports", "sv=1&sig=SeCrEt", ""),
        ("https://account.blob.core.usgovcloudapi.net/exports/", "?sv=1&sig=SeCrEt", ""),
        ("https://account.blob.core.windows.net/exports", nil, "/azureBlobToken"),
        (nil, "sv=1&sig=SeCrEt", "/azureBlobContainer"),
        ("http://account.blob.core.windows.net/exports", "sig=SeCrEt", "/azureBlobContainer"),
        ("https://account.blob.core.windows.net:8443/exports", "sig=SeCrEt", "/azureBlobContainer"),
        ("https://u:SeCrEt@account.blob.core.windows.net/exports", "sig=1", "/azureBlobContainer"),
        ("https://account.blob.core.windows.net/exports?sv=1&sig=SeCrEt", "sig=1", "/azureBlobContainer"),
        ("https://account.blob.core.windows.net/", "sig=SeCrEt", "/azureBlobContainer"),
        ("https://account.blob.core.windows.net/a/b", "sig=SeCrEt", "/azureBlobContainer"),
        ("https://blob.core.windows.net/exports", "sig=SeCrEt", "/azureBlobContainer"),
        ("https://account.blob.core.windows.net.evil.example/exports", "sig=SeCrEt", "/azureBlobContainer"),
        ("https://accountblob.core.windows.net/exports", "sig=SeCrEt", "/azureBlobContainer"),
        ("https://169.254.169.254/exports", "sig=SeCrEt", "/azureBlobContainer"),
        ("https://account.blob.core.windows.net/exports", "https://a.example/?sig=SeCrEt", "/azureBlobToken"),
        ("https://account.blob.core.windows.net/exports", "sig=Se CrEt", "/azureBlobToken"),
    ]

    @Test(arguments: storage)
    private func ownStorageIsAContainerAndItsTokenAndNeitherIsRepeated(
        container: String?,
        token: String?,
        refusedAt: String
    ) throws {
        var options = Self.reviewSet
        options["azureBlobContainer"] = container.map { .string($0) }
        options["azureBlobToken"] = token.map { .string($0) }
        let faults = try Self.faults(.object(options), .ediscovery)
        #expect(faults.map(\.pointer) == (refusedAt.isEmpty ? [] : [refusedAt]))
        #expect(!"\(faults)".contains("SeCrEt"))
        guard refusedAt.isEmpty, let token else { return }
        let (request, secret) = try GraphEDiscoveryRequest.validated(.object(options), dialect: .ediscovery)
        #expect(secret == Secret(token))
        #expect(!"\(request.source)".contains("SeCrEt"))
        #expect(request.container == container)
    }

    @Test func theSchemaKnowsTheMembersThatTheValidationKnows() throws {
        typealias Options = GraphEDiscoveryOptions
        let schema = GraphEDiscoveryDescriptor.descriptor.optionsSchema
        let branches = try #require(schema["oneOf"]?.array?.compactMap { $0["properties"]?.object?.keys.sorted() })
        let common = ["caseId", "description"]
        #expect(
            branches == [
                (common + ["reviewSetId", "queryId"] + Options.reviewSetMembers + Options.storageMembers).sorted(),
                (common + ["searchId"] + Options.searchMembers).sorted(),
                (common + ["searchId"] + Options.searchMembers.filter { !Options.resultOnlyMembers.contains($0) })
                    .sorted(),
            ]
        )
        #expect(schema["$schema"]?.string == "https://json-schema.org/draft/2020-12/schema")
    }

    @Test func theNameIsTakenFromTheOptions() throws {
        func name(_ options: [String: JSONValue]) throws -> String {
            try GraphEDiscoveryRequest.validated(.object(options), dialect: .security).request.suggestedName
        }
        #expect(try name(Self.reviewSet) == "Contoso")
        #expect(try name(Self.search) == "Export of search \(Workbench.searchID)")
        #expect(try name(Self.search.merging(["displayName": "Mail"]) { $1 }) == "Mail")
    }

    @Test func tokensGoToTheirHostsOnly() throws {
        let settings = GraphEDiscoverySettings()
        func hosts(_ scope: TokenScope, _ url: String) throws -> Bool {
            let url = try #require(UpstreamURL(url))
            return settings.bearerHosts[scope]?.contains { $0.matches(url) } ?? false
        }
        let proxy = "https://nam.proxyservice.ediscovery.svc.cloud.microsoft/x"
        let blob = "https://nam01pkgg0052.blob.edproxy.nam01.ediscovery.outlook.com/x"
        #expect(try hosts(settings.graphScope, "https://graph.microsoft.com/v1.0"))
        #expect(try !hosts(settings.graphScope, proxy))
        #expect(try hosts(settings.downloadScope, proxy))
        #expect(try hosts(settings.downloadScope, "https://eur.proxyservice.ediscovery.office365.com/x"))
        #expect(try !hosts(settings.downloadScope, blob))
        #expect(try !hosts(settings.downloadScope, "https://graph.microsoft.com/v1.0"))
        let open = try #require(UpstreamURL(blob))
        #expect(settings.openHosts.contains { $0.matches(open) })
    }
}
