import Exports
import JSON

extension ConformanceHarness {
    /// A harness for providers on an upstream in memory.
    public static func memory(
        _ upstream: MemoryUpstream,
        makeProvider: @escaping @Sendable (MemoryUpstream) -> any ExportProvider
    ) -> ConformanceHarness {
        // FNV-1a is enough for a test.
        let digest: @Sendable ([UInt8]) -> String = { bytes in
            String(bytes.reduce(0xcbf2_9ce4_8422_2325 as UInt64) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }, radix: 16)
        }
        var harness = ConformanceHarness(
            makeProvider: { makeProvider(upstream) },
            options: { ["format": "csv", "title": "Conformance"] },
            context: CallContext(requestID: "conformance"),
            now: { upstream.now },
            networkCalls: { upstream.networkCalls },
            startedJobs: { upstream.startedJobs },
            files: { reference in
                upstream.files(of: reference.id)
                    .map { File(name: $0.name, size: Int64($0.bytes.count), digest: digest($0.bytes)) }
            },
            digest: digest,
            finishJobs: { upstream.finishJobs() }
        )
        harness.furtherOptions = [["format": "parquet"], ["format": "csv", "selection": ["field": "a"]]]
        harness.invalidOptions = [
            InvalidOptions([:], "/format"), InvalidOptions(["format": "pdf"], "/format"),
            InvalidOptions(["format": "pdf", "title": "", "selection": [:]], "/format", "/title", "/selection/field"),
        ]
        harness.secretOptions = SecretOptions(
            ["format": "csv", "accessKey": "memory-access-key"],
            at: "/accessKey",
            secret: "memory-access-key"
        )
        harness.secrets = { [upstream.token.reveal()] }
        harness.advanceJobs = { upstream.advanceJobs() }
        harness.clearFaults = { upstream.clearFaults() }
        harness.failJobs = { upstream.failJobs() }
        harness.showUnknownStatus = { upstream.showStrangeStatus() }
        harness.throttle = { upstream.add(.throttled($0)) }
        harness.failCalls = { upstream.add(.serverError) }
        harness.cutStarts = { upstream.add(.startCut(started: $0)) }
        harness.rejectTokens = { upstream.add(.tokenRejected) }
        harness.cutDownloads = { upstream.add(.downloadCut(afterBytes: $0)) }
        harness.expireFiles = { upstream.expireFiles() }
        harness.stallCalls = {
            upstream.add(.stalled)
            return { await upstream.callIsStalled() }
        }
        return harness
    }
}
