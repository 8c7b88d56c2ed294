public import Exports
import JSON
import ManualClock
import MicrosoftSandbox
public import ProviderConformance
import SystemCrypto

extension SandboxBench {
    /// A harness for one of the sandbox's services.
    ///
    /// `service` is the service's name in the sandbox's account, `calls` the pattern of its operations in rules, `start`
    /// the operation that starts jobs with `options`. `namesFiles` says whether the service tells its files' names.
    public func harness(
        service: String,
        calls: String,
        start: String,
        namesFiles: Bool = false,
        context: CallContext = CallContext(requestID: "c1d2e3f4-0000-4000-8000-000000000003"),
        options: @escaping @Sendable () -> JSONValue,
        makeProvider: @escaping @Sendable () -> any ExportProvider
    ) -> ConformanceHarness {
        let (sandbox, clock) = (sandbox, clock)
        let digest: @Sendable ([UInt8]) -> String = { Hexadecimal.encode(SHA256.hash($0)) }
        let inForce: @Sendable (_ operation: String, SandboxFault) -> Void = { operation, fault in
            sandbox.addRule(SandboxRule(operation: operation, fault: fault))
        }
        var harness = ConformanceHarness(
            makeProvider: makeProvider,
            options: options,
            context: context,
            now: { clock.now() },
            networkCalls: { sandbox.account.counts.values.reduce(0, +) },
            startedJobs: { sandbox.account.jobs.count { $0.service == service } },
            files: { reference in
                let job = sandbox.account.jobs.first { $0.service == service && $0.id == reference.id }
                return (job?.files ?? [])
                    .map { .init(name: namesFiles ? $0.name : nil, size: $0.size, digest: $0.sha256) }
            },
            digest: digest,
            // A job takes two seconds.
            finishJobs: { clock.advance(by: .seconds(10)) }
        )
        harness.secrets = { sandbox.secrets }
        harness.advanceJobs = { clock.advance(by: .milliseconds(1500)) }
        harness.clearFaults = { sandbox.removeRules() }
        harness.failJobs = { inForce(start, .failed) }
        harness.showUnknownStatus = { inForce(start, .unknownStatus("reticulating")) }
        harness.throttle = { inForce(calls, .throttled(retryAfter: "\($0.wholeSecondsRoundedUp)")) }
        harness.failCalls = { inForce(calls, .status(500)) }
        harness.cutStarts = { inForce(start, .cutConnection(started: $0)) }
        harness.rejectTokens = { inForce(calls, .status(401)) }
        harness.cutDownloads = { inForce("*.download", .cutDownload(afterBytes: $0)) }
        harness.expireFiles = { inForce("*.download", .expiredLink) }
        harness.stallCalls = {
            inForce(calls, .slow(milliseconds: 3_600_000))
            return { await clock.pauses(atLeast: 1) }
        }
        return harness
    }
}
