import Exports
import Foundation
import JSON
import MicrosoftSandbox

/// One export on each provider: created, watched, downloaded, and compared with what the sandbox says it made.
struct DemoExports {
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
        for sample in SandboxSample.all {
            do {
                isGood = try await run(sample) && isGood
            } catch {
                console.failure(sample.provider, "\(error)")
                isGood = false
            }
        }
        try await client.shutdown()
        return isGood
    }

    private func run(_ sample: SandboxSample) async throws -> Bool {
        var export = try await client.create(sample.body, authorization: sample.userToken)
        guard let id = export["id"]?.string else {
            throw DemoClient.UnexpectedAnswer(description: "an export without id")
        }
        console.begin(sample.provider, id: id)
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
            console.failure(sample.provider, String(decoding: export.encoded(), as: UTF8.self))
            return false
        }
        var isGood = true
        for file in files {
            guard let fileID = file["id"]?.string, let name = file["name"]?.string else { continue }
            let download = try await client.download(id, file: fileID, gzip: sample.compresses)
            let isRight = expectedDigests.contains(download.sha256)
            console.file(name, download, isRight: isRight)
            isGood = isGood && isRight && (!sample.compresses || download.coding == "gzip")
        }
        return isGood
    }

    /// The digests of every file that the sandbox has made.
    private var expectedDigests: Set<String> { Set(sandbox.account.jobs.flatMap(\.files).map(\.sha256)) }
}
