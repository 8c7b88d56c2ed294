import Exports
import Foundation
import GatewayServer
import JSON
import MicrosoftSandbox

/// What the demo shows: one line that moves on a terminal, a line for each change elsewhere.
struct DemoConsole: Sendable {
    private let isTerminal = isatty(STDOUT_FILENO) == 1

    func line(_ text: String) { StandardStreams.write(text + "\n", to: STDOUT_FILENO) }

    func header(sandbox: String, gateway: String) {
        line("Export Gateway demo")
        line("  sandbox  \(sandbox)  Entra ID, Microsoft Graph and Power BI, played on this machine")
        line("  gateway  \(gateway)")
    }

    func begin(_ provider: String, id: String) { line("\n\(provider)  \(id)") }

    /// Shows how far an export is, unless that is what `shown` says already; gives back what is shown now.
    func progress(_ status: String, percent: Int64?, after shown: String) -> String {
        let done = percent.map { Int(min(max($0, 0), 100)) }
        let bar = done.map { String(repeating: "█", count: $0 / 5) + String(repeating: "░", count: 20 - $0 / 5) + " " }
        let text = "  \(bar ?? "")\(status)\(done.map { " \($0)%" } ?? "")"
        guard text != shown else { return shown }
        if isTerminal {
            StandardStreams.write("\r\u{1B}[K\(text)", to: STDOUT_FILENO)
        } else {
            line(text)
        }
        return text
    }

    func endProgress() { if isTerminal { line("") } }

    func file(_ name: String, _ download: DemoClient.Download, isRight: Bool) {
        let wire = download.coding == "gzip" ? ", \(download.wireBytes) on the wire as gzip" : ""
        line("  \(isRight ? "✓" : "✗") \(name)  \(download.contentBytes) bytes\(wire)")
        line(
            "    SHA-256 \(download.sha256) \(isRight ? "is what the upstream made" : "is NOT what the upstream made")"
        )
    }

    func failure(_ provider: String, _ detail: String) { line("  ✗ \(provider): \(detail)") }

    func repeatByHand(gateway: String, apiKey: Secret) {
        // One whose file can come in gzip.
        let sample = SandboxSample.all.first(where: \.compresses)
        let body = sample.map { String(decoding: $0.body.encoded(), as: UTF8.self) } ?? "{}"
        let authorization = "-H 'Authorization: Bearer \(apiKey.reveal())'"
        line(
            """

            By hand (this key lives as long as the demo):
              curl -s \(authorization) -H 'Content-Type: application/json' \(gateway)/exports -d '\(body)'
              curl -s \(authorization) -H 'Prefer: wait=10' \(gateway)/exports/ID
              curl -sOJ --compressed \(authorization) \(gateway)/exports/ID/content
            """
        )
    }
}
