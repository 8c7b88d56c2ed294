import Exports
import UpstreamHTTP

/// Their errors to ours. A message is never branched on (`Upstream-Graph, Errors`), unless the operator says so.
enum GraphEDiscoveryFailure {
    enum Call: Sendable {
        /// The POST that starts a job.
        case start
        case read
        /// The address of a file.
        case link
        case download(DownloadHost)

        var step: UpstreamStep {
            switch self {
            case .start: .start
            case .read: .read
            case .link: .link
            case .download: .storage
            }
        }
    }

    /// The error of an answer that is not a success.
    static func error(_ response: UpstreamResponse, in call: Call, trustsWords: Bool = false) -> ProviderError {
        let code = AnswerTable.meaning(of: response, during: call.step)
        let error = AnswerTable.error(response, during: call.step, service: "Purview", trustsWords: trustsWords) { _ in
            ProviderError(code, detail(of: code, response.status, call))
        }
        if case .download(.proxy) = call, code == .unauthenticated || code == .forbidden {
            return explainingDownloadRole(error)
        }
        return error
    }

    private static func detail(of code: ProviderError.Code, _ status: Int, _ call: Call) -> String {
        if case .download = call { return downloadDetail(of: code, status) }
        return switch (code, status) {
        case (.throttled, 509): "Microsoft Graph asks to wait: the bandwidth is used up."
        case (.throttled, _): "Microsoft Graph asks to wait. Perhaps because it allows few eDiscovery calls per minute."
        case (.ambiguous, _): "Microsoft Graph failed while it took the export: it may have been started."
        case (.transient, 408): "Microsoft Graph gave up waiting for the request."
        case (.transient, 423): "Microsoft Graph says that the case is locked at the moment."
        case (.transient, 503): "Microsoft Graph is not available at the moment."
        case (.transient, 504): "Microsoft Graph got no answer from its own services in time."
        case (.transient, ..<500):
            if case .link = call {
                "Microsoft Graph does not have the download link ready yet."
            } else {
                "Microsoft Graph cannot answer now (status \(status))."
            }
        case (.transient, _): "Microsoft Graph failed with status \(status)."
        case (.invalid, 413): "Microsoft Graph finds the request too large."
        case (.invalid, _): "Microsoft Graph refused the request as invalid; upstream says why."
        case (.unauthenticated, _):
            "Microsoft Graph refused the credentials. Perhaps the application is no eDiscovery Administrator: it gets this answer for cases that it did not create."
        case (.forbidden, 402):
            "Microsoft Graph asks for a payment. Perhaps the tenant has no Purview pay-as-you-go billing, which some exports need."
        case (.forbidden, _):
            "Microsoft Graph forbids this. Perhaps the permission eDiscovery.ReadWrite.All is missing, a role in the case, or a licence or pay-as-you-go billing."
        case (.notFound, _): "Microsoft Graph knows no such case, review set, search or operation."
        case (.conflict, _): "Microsoft Graph says that the request clashes with something that exists."
        case (.gone, _): "Microsoft Graph no longer has this."
        default: "Microsoft Graph answered with status \(status), which is not expected here."
        }
    }

    private static func downloadDetail(of code: ProviderError.Code, _ status: Int) -> String {
        switch code {
        case .throttled: "The download host asks to wait."
        case .transient: "The download host cannot send the file now (status \(status))."
        case .unauthenticated: "The download host refused the credentials."
        case .forbidden: "The download host forbids this download."
        case .gone: "The file is no longer at the download host."
        default: "The download host answered with status \(status), which is not expected here."
        }
    }

    /// The error of a success whose body makes no sense: worth another poll.
    static func unreadable(_ response: UpstreamResponse, _ what: String) -> ProviderError {
        ProviderError(
            .transient,
            "Microsoft Graph answered without a usable \(what)\(response.fault.map { ": the answer \($0)" } ?? "").",
            problem: .upstreamBroken,
            retryAfter: response.retryAfter,
            upstream: response.errorInfo
        )
    }

    /// The error of a list that makes no sense: its entries can be asked for one by one.
    static func unreadableList(_ response: UpstreamResponse) -> ProviderError {
        ProviderError(
            .permanent,
            "Microsoft Graph answered without a usable list of operations\(response.fault.map { ": the answer \($0)" } ?? "").",
            upstream: response.errorInfo
        )
    }

    /// The error of a link that leads nowhere.
    static func badLink(_ response: UpstreamResponse, _ what: String, _ fault: LinkFault) -> ProviderError {
        .badLink("Microsoft Graph's \(what)", response, fault)
    }

    /// Adds what a refused download token most often lacks (`Upstream-GraphEDiscovery, Download`).
    static func explainingDownloadRole(_ error: ProviderError) -> ProviderError {
        var error = error
        error.detail +=
            " Perhaps the application role eDiscovery.Download.Read of MicrosoftPurviewEDiscovery (b26e684c-5068-4120-a679-64a5d2c909d9), whose service principal must exist in the tenant, is missing, or, in some tenants, the role eDiscovery Administrator."
        return error
    }
}
