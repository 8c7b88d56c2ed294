import Exports
import Foundation
import UpstreamHTTP

/// Their errors to ours. A message is never branched on (`graph.md` D1).
enum GraphEDiscoveryFailure {
    enum Call: Sendable {
        /// The POST that starts a job: any answer 4xx means that nothing was started, 5xx that it cannot be known.
        case start
        case read
        case download(DownloadHost)

        var isStart: Bool { if case .start = self { true } else { false } }
        var isDownload: Bool { if case .download = self { true } else { false } }
    }

    private struct Rule {
        var code: ProviderError.Code
        var detail: String

        init(_ code: ProviderError.Code, _ detail: String) {
            self.code = code
            self.detail = detail
        }
    }

    /// What a status means when Graph is called.
    private static let rules: [Int: Rule] = [
        400: Rule(.invalid, "Microsoft Graph refused the request as invalid; upstream says why."),
        401: Rule(
            .unauthenticated,
            "Microsoft Graph refused the credentials. An application that is no eDiscovery Administrator gets this answer for cases that it did not create."
        ),
        402: Rule(.forbidden, "The tenant has no Purview pay-as-you-go billing, which this export needs."),
        403: Rule(
            .forbidden,
            "Microsoft Graph forbids this: it needs the permission eDiscovery.ReadWrite.All, a role in the case and a licence or pay-as-you-go billing."
        ),
        404: Rule(.notFound, "Microsoft Graph knows no such case, review set, search or operation."),
        408: Rule(.transient, "Microsoft Graph gave up waiting for the request."),
        409: Rule(.conflict, "Microsoft Graph says that the request clashes with something that exists."),
        410: Rule(.gone, "Microsoft Graph no longer has this."),
        413: Rule(.invalid, "Microsoft Graph finds the request too large."),
        422: Rule(.invalid, "Microsoft Graph refused the request as invalid; upstream says why."),
        423: Rule(.transient, "The case is locked at the moment."),
        429: Rule(.throttled, "Microsoft Graph asks to wait: it allows few eDiscovery calls per minute."),
        503: Rule(.transient, "Microsoft Graph is not available at the moment."),
        504: Rule(.transient, "Microsoft Graph got no answer from its own services in time."),
        507: Rule(.permanent, "Microsoft Graph has no room for this."),
        509: Rule(.throttled, "Microsoft Graph asks to wait: the bandwidth is used up."),
    ]

    /// What a status means when a file is fetched.
    private static let downloadRules: [Int: Rule] = [
        401: Rule(.unauthenticated, "The download host refused the credentials."),
        403: Rule(.forbidden, "The download host forbids this download."),
        404: Rule(.gone, "The file is no longer at the download host."),
        410: Rule(.gone, "The file is no longer at the download host."),
        429: Rule(.throttled, "The download host asks to wait."),
    ]

    /// The error of an answer that is not a success.
    static func error(_ response: UpstreamResponse, in call: Call) -> ProviderError {
        let status = response.status
        let upstream = info(of: response)
        if call.isStart, status >= 500, !(status == 503 && response.retryAfter != nil) {
            return ProviderError(
                .ambiguous,
                "Microsoft Graph failed while it took the export: it may have been started.",
                upstream: upstream
            )
        }
        let rule = (call.isDownload ? downloadRules[status] : rules[status]) ?? fallback(status, call)
        let code = status == 503 && response.retryAfter != nil ? .throttled : rule.code
        let error = ProviderError(code, rule.detail, retryAfter: response.retryAfter, upstream: upstream)
        if case .download(.proxy) = call, code == .unauthenticated || code == .forbidden {
            return explainingDownloadRole(error)
        }
        return error
    }

    private static func fallback(_ status: Int, _ call: Call) -> Rule {
        let host = call.isDownload ? "The download host" : "Microsoft Graph"
        return status >= 500
            ? Rule(.transient, "\(host) failed with status \(status).")
            : Rule(.permanent, "\(host) answered with status \(status), which is not expected here.")
    }

    /// The error of a success whose body makes no sense.
    static func unreadable(_ response: UpstreamResponse, _ what: String) -> ProviderError {
        ProviderError(
            .permanent,
            "Microsoft Graph answered without a usable \(what).",
            upstream: UpstreamErrorInfo(status: response.status, requestId: requestID(of: response))
        )
    }

    /// Adds what a refused download token most often lacks (`graph.md` B7).
    static func explainingDownloadRole(_ error: ProviderError) -> ProviderError {
        var error = error
        error.detail +=
            " Downloads need the application role eDiscovery.Download.Read of MicrosoftPurviewEDiscovery (b26e684c-5068-4120-a679-64a5d2c909d9), whose service principal must exist in the tenant, and in some tenants the role eDiscovery Administrator."
        return error
    }
}

extension GraphEDiscoveryFailure {
    /// What the upstream said: the deepest code that is a name, the message, the request id.
    static func info(of response: UpstreamResponse) -> UpstreamErrorInfo {
        let error = response.json.flatMap { member("error", of: $0) }
        var code = error.flatMap { name(member("code", of: $0)) }
        var bodyID: String?
        var inner = error.flatMap { member("innererror", of: $0) }
        // Nested as deep as the service likes; more than a few levels is nobody's error.
        for _ in 0..<16 {
            guard let level = inner else { break }
            code = name(member("code", of: level)) ?? code
            bodyID = bodyID ?? (member("request-id", of: level) ?? member("requestid", of: level))?.string
            inner = member("innererror", of: level)
        }
        let message = error.flatMap { member("message", of: $0)?.string }.flatMap { text(ofMessage: $0) }
        return UpstreamErrorInfo(
            status: response.status,
            code: code ?? response.headers["x-ms-error-code"],
            message: message,
            requestId: requestID(of: response) ?? bodyID
        )
    }

    static func requestID(of response: UpstreamResponse) -> String? { requestID(of: response.headers) }

    static func requestID(of headers: UpstreamHeaders) -> String? {
        headers["request-id"] ?? headers["x-ms-request-id"]
    }

    /// A code that says something: `innerError` also holds the bare status (`graph.md` D2).
    private static func name(_ value: JSONValue?) -> String? {
        guard let text = value?.string, !text.isEmpty, !text.allSatisfy(\.isNumber) else { return nil }
        return text
    }

    private static func member(_ name: String, of json: JSONValue) -> JSONValue? {
        json[name] ?? json.object?.first { $0.key.lowercased() == name }?.value
    }

    /// A message can be empty, and it can be a JSON text that holds the message (`graph.md` A6.1).
    private static func text(ofMessage message: String) -> String? {
        guard !message.isEmpty else { return nil }
        guard message.hasPrefix("{"), let json = try? JSONValue(parsing: .init(message.utf8)) else { return message }
        let holder = member("error", of: json).flatMap { $0.object == nil ? nil : $0 } ?? json
        return member("message", of: holder)?.string ?? message
    }
}
