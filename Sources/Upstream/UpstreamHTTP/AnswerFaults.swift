public import Exports

/// The errors of answers of the right status that are not what they should be, in the words of every adapter.
extension ProviderError {
    /// An answer that cannot be read, named as the subject of a sentence: worth another poll.
    public static func unreadable(_ answer: String, _ response: UpstreamResponse) -> ProviderError {
        ProviderError(
            .transient,
            "\(answer) cannot be read\(response.fault.map { ": it \($0)" } ?? "").",
            problem: .upstreamBroken,
            retryAfter: response.retryAfter,
            upstream: response.errorInfo
        )
    }

    /// A link that leads nowhere, named as the subject of a sentence.
    public static func badLink(_ link: String, _ response: UpstreamResponse, _ fault: LinkFault) -> ProviderError {
        ProviderError(.permanent, "\(link) cannot be used: it \(fault.words).", upstream: response.errorInfo)
    }

    /// A web page where the file should be.
    public static func webPage(
        from service: String,
        code: Code = .permanent,
        upstream: UpstreamErrorInfo
    ) -> ProviderError {
        ProviderError(
            code,
            "\(service) sent a web page instead of the file. Perhaps it is a sign-in page.",
            upstream: upstream
        )
    }
}
