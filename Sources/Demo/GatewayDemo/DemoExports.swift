import Exports
import Foundation
import JSON
import MicrosoftSandbox

/// One export on each provider: created, watched, downloaded, and compared with what the sandbox says it made.
struct DemoExports {
    private struct Plan: Sendable {
        var provider: String
        var body: JSONValue
        var authorization: String?
        var gzip = false
    }

    private let client: DemoClient
    private let sandbox: MicrosoftSandbox
    private let console: DemoConsole

    init(gateway: String, apiKey: Secret, sandbox: MicrosoftSandbox, console: DemoConsole) throws {
        client = try DemoClient(gateway: gateway, apiKey: apiKey)
        self.sandbox = sandbox
        self.console = console
    }

    /// Whether all came through.
    func run() async throws -> Bool {
        var isGood = true
        for plan in Self.plans {
            do {
                isGood = try await run(plan) && isGood
            } catch {
                console.failure(plan.provider, "\(error)")
                isGood = false
            }
        }
        try await client.shutdown()
        return isGood
    }

    private func run(_ plan: Plan) async throws -> Bool {
        var export = try await client.create(plan.body, authorization: plan.authorization)
        guard let id = export["id"]?.string else {
            throw DemoClient.UnexpectedAnswer(description: "an export without id")
        }
        console.begin(plan.provider, id: id)
        var shown = ""
        while true {
            let status = export["status"]?.string ?? "?"
            let line = console.progress(status, percent: export["percentComplete"]?.integer, after: shown)
            shown = line
            guard ["notStarted", "running"].contains(status) else { break }
            export = try await client.watch(id)
        }
        console.endProgress()
        guard export["status"] == "succeeded", let files = export["files"]?.array, !files.isEmpty else {
            console.failure(plan.provider, String(decoding: export.encoded(), as: UTF8.self))
            return false
        }
        var isGood = true
        for file in files {
            guard let fileID = file["id"]?.string, let name = file["name"]?.string else { continue }
            let download = try await client.download(id, file: fileID, gzip: plan.gzip)
            let isRight = expectedDigests.contains(download.sha256)
            console.file(name, download, isRight: isRight)
            isGood = isGood && isRight && (!plan.gzip || download.coding == "gzip")
        }
        return isGood
    }

    /// The digests of every file that the sandbox has made.
    private var expectedDigests: Set<String> { Set(sandbox.account.jobs.flatMap(\.files).map(\.sha256)) }

    private static var plans: [Plan] {
        [
            Plan(
                provider: "graph-ediscovery",
                body: [
                    "provider": "graph-ediscovery", "name": "Contoso investigation",
                    "graphEDiscovery": [
                        "caseId": .string(SandboxSeed.caseID), "reviewSetId": .string(SandboxSeed.reviewSetID),
                        "outputName": "Contoso investigation", "exportOptions": "originalFiles,tags",
                        "exportStructure": "pst",
                    ],
                ]
            ),
            Plan(
                provider: "viva-goals",
                body: [
                    "provider": "viva-goals", "name": "Objectives",
                    "vivaGoals": [
                        "goalsOrganizationId": .string(SandboxSeed.goalsOrganizationID),
                        "explorerViewId": .string(SandboxSeed.explorerViewID),
                    ],
                ],
                authorization: SandboxSeed.delegatedToken
            ),
            Plan(
                provider: "power-bi",
                body: [
                    "provider": "power-bi", "name": "Quarterly ledger",
                    "powerBI": [
                        "groupId": .string(SandboxSeed.groupID), "reportId": .string(SandboxSeed.paginatedReportID),
                        "format": "CSV",
                    ],
                ],
                gzip: true
            ),
            Plan(
                provider: "intune",
                body: [
                    "provider": "intune", "name": "Device compliance",
                    "intune": [
                        "reportName": .string(SandboxSeed.intuneReport),
                        "select": ["DeviceId", "DeviceName", "ComplianceState"],
                    ],
                ]
            ),
        ]
    }
}
