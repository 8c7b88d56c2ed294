import Exports
import Logging
import SystemCrypto

/// What all parts of one sandbox share.
final class World: Sendable {
    let settings: SandboxSettings
    let time: any TimeSource
    let logger: Logger
    let random: @Sendable (Int) -> [UInt8]

    let tokens = TokenBook()
    let registration: ApplicationRegistration
    let signingKeys = SigningKeys()
    let jobs = JobBook()
    let rules = RuleBook()
    let calls = CallLog()
    let connections = ConnectionBook()
    let listeners: ListenerBook
    let digests = FileDigests(generator: ContentGenerator())
    /// Signs pre-signed links.
    let linkKey: [UInt8]

    init(
        settings: SandboxSettings,
        time: any TimeSource,
        logger: Logger,
        random: @escaping @Sendable (Int) -> [UInt8]
    ) {
        self.settings = settings
        self.time = time
        self.logger = logger
        self.random = random
        registration = ApplicationRegistration(certificates: settings.certificates)
        listeners = ListenerBook(
            host: settings.host,
            expected: settings.tls == nil ? [.api, .proxy, .blob] : [.api, .proxy, .blob, .secure]
        )
        linkKey = random(32)
    }

    /// A random UUID (RFC 9562, 5.4).
    func uuid() -> String {
        var bytes = random(16)
        bytes[6] = bytes[6] & 0x0F | 0x40
        bytes[8] = bytes[8] & 0x3F | 0x80
        let digits = Array(Hexadecimal.encode(bytes))
        return [digits[0..<8], digits[8..<12], digits[12..<16], digits[16..<20], digits[20..<32]]
            .map { String($0) }.joined(separator: "-")
    }

    /// Digits below a millisecond for a new job's timestamps, 0…9999.
    func ticks() -> Int64 {
        let bytes = random(2)
        return (Int64(bytes[0]) << 8 | Int64(bytes[1])) % 10_000
    }

    /// The base URL of a listener as this caller should see it, without a trailing slash.
    ///
    /// `.api` stands for whichever of the two API listeners the caller came to.
    func base(_ listener: Listener, for call: Call) -> String {
        base(
            listener == .api && call.listener == .secure ? .secure : listener,
            calledBy: call.authority,
            on: call.listener
        )
    }

    func base(_ listener: Listener, calledBy authority: String?, on own: Listener) -> String {
        if let host = settings.publicHost { return "\(listener.scheme)://\(host):\(listeners.port(of: listener))" }
        guard let authority else { return listeners.address(of: listener) }
        if listener == own { return "\(listener.scheme)://\(authority)" }
        let digits = authority.reversed().prefix { $0.isNumber }
        let host = authority.dropLast(digits.count).last == ":" ? authority.dropLast(digits.count + 1) : authority[...]
        return "\(listener.scheme)://\(host):\(listeners.port(of: listener))"
    }
}
