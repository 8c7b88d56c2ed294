/// Why an attempt to send a message failed, or why the message was given up: a closed list. The raw value is stored, shown to callers,
/// and a metric label.
public enum WebhookAttemptError: Error, Sendable, Hashable, CaseIterable, RawRepresentable {
    /// There was no answer.
    case noAnswer(WebhookSendFailure)
    /// The answer was a redirect, which is not followed.
    case redirect
    /// The answer was 410: the receiver wants no more messages.
    case gone
    /// The answer was none of 2xx, for another reason.
    case status
    /// The secret that signs the messages cannot be decrypted: the operator has removed a key of `sealing.keys`.
    case secretUnreadable
    /// The owner of the webhook may not see the export any more. Nothing is sent.
    case notPermitted
    /// The webhook was disabled by the gateway before the message was delivered, or by its owner long ago.
    case disabled
    /// The ledger cannot read the message: its row is damaged, or a newer version has written it. Nothing is sent.
    case unreadable

    public static let allCases: [WebhookAttemptError] =
        WebhookSendFailure.allCases.map { .noAnswer($0) }
        + [.redirect, .gone, .status, .secretUnreadable, .notPermitted, .disabled, .unreadable]

    public var rawValue: String {
        switch self {
        case .noAnswer(let failure): failure.rawValue
        case .redirect: "redirect"
        case .gone: "gone"
        case .status: "status"
        case .secretUnreadable: "secret-unreadable"
        case .notPermitted: "not-permitted"
        case .disabled: "webhook-disabled"
        case .unreadable: "unreadable"
        }
    }

    public init?(rawValue: String) {
        guard let known = Self.allCases.first(where: { $0.rawValue == rawValue }) else { return nil }
        self = known
    }

    /// What an answer is; nil for a success.
    public init?(status: Int) {
        switch status {
        case 200..<300: return nil
        case 300..<400: self = .redirect
        case 410: self = .gone
        default: self = .status
        }
    }
}

/// Why the gateway has disabled a webhook: a closed list. The raw value is stored, shown to callers, and a metric label.
public enum WebhookDisabledReason: String, Sendable, Hashable, CaseIterable {
    /// The receiver answered 410.
    case gone
    /// No attempt has succeeded for a long time.
    case failing
    /// The caller who owns it is not configured any more, or may not read exports any more.
    case ownerUnknown = "owner-unknown"
}
