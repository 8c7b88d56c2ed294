import Exports
import HTTPListening
import Hummingbird
import HummingbirdCore
import HummingbirdTLS
import Logging
import NIOCore
import NIOSSL
import ServiceLifecycle
import SystemCrypto

/// A stand-in for Entra ID, Microsoft Graph, Power BI and their download hosts, on sockets of its own.
///
/// It answers as the services are documented and recorded to answer, quirks included, and misbehaves where a rule says
/// so. Jobs need no timers: their state is computed from the time source when it is read, so that a manual clock finishes
/// them at once.
public final class MicrosoftSandbox: Service, Sendable {
    private let world: World

    /// Makes a sandbox that does not listen yet.
    ///
    /// - Parameters:
    ///   - time: the clock that tokens, jobs and links go by, and that slow answers wait on.
    ///   - random: where ids, tokens and signatures come from.
    public init(
        settings: SandboxSettings = SandboxSettings(),
        time: any TimeSource = SystemTime(),
        logger: Logger,
        random: @escaping @Sendable (Int) -> [UInt8] = { randomBytes($0) }
    ) {
        world = World(settings: settings, time: time, logger: logger, random: random)
    }

    /// Where the sandbox listens. Waits until all listeners do.
    ///
    /// Returns port 0 for a listener that never came: when `run()` failed or has ended, or the waiting task is cancelled.
    public func addresses() async -> SandboxAddresses {
        await world.listeners.settled()
        return SandboxAddresses(
            api: world.listeners.address(of: .api),
            proxy: world.listeners.address(of: .proxy),
            blob: world.listeners.address(of: .blob),
            secure: world.settings.tls.map { _ in world.listeners.address(of: .secure) }
        )
    }

    /// Serves until the task is cancelled or shut down gracefully; then answers under way are broken off or finished
    /// respectively. To be called once.
    ///
    /// Throws what the operating system says when an address cannot be bound, and what NIOSSL says when the files of
    /// `settings.tls` cannot be used.
    public func run() async throws {
        defer { world.listeners.end() }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for listener in world.listeners.expected {
                let application = try application(for: listener)
                group.addTask { try await application.run() }
            }
            // An error of one server ends the others.
            while try await group.next() != nil {}
        }
    }

    /// A snapshot of every call (the last 20,000) and every job so far.
    public var account: SandboxAccount { world.account }

    /// Every token issued, signature minted and secret known, for searching logs and stores after leaks.
    public var secrets: [String] { world.tokens.secrets }

    /// Puts a rule in force, behind those that are.
    public func addRule(_ rule: SandboxRule) { world.rules.add(rule) }

    /// Puts all rules out of force. Jobs keep what they have been given.
    public func removeRules() { world.rules.removeAll() }

    private func application(for listener: Listener) throws -> some Service {
        let settings = world.settings
        let port =
            switch listener {
            case .api: settings.apiPort
            case .proxy: settings.proxyPort
            case .blob: settings.blobPort
            case .secure: settings.securePort
            }
        let plain = HTTPServerBuilder { responder in
            RequestChannel(
                responder: responder,
                configuration: HTTP1Channel.Configuration(additionalChannelHandlers: [HalfCloseHandler()])
            )
        }
        let server =
            if listener == .secure, let tls = settings.tls {
                try HTTPServerBuilder.tls(plain, tlsConfiguration: tls.configuration())
            } else {
                plain
            }
        let world = world
        return Application(
            responder: Dispatcher(world: world, listener: listener),
            server: server,
            configuration: ApplicationConfiguration(address: .hostname(settings.host, port: port)),
            onServerRunning: { channel in
                world.listeners.isListening(listener, port: channel.localAddress?.port ?? port)
            },
            logger: world.logger
        )
    }
}

extension SandboxTLS {
    fileprivate func configuration() throws -> TLSConfiguration {
        var configuration = TLSConfiguration.makeServerConfiguration(
            certificateChain: try NIOSSLCertificate.fromPEMFile(certificateFile).map { .certificate($0) },
            privateKey: .privateKey(try NIOSSLPrivateKey(file: keyFile, format: .pem))
        )
        // Short, because idle clients do not answer TLS's closing message, and the sandbox would wait for them when it ends.
        configuration.shutdownTimeout = .milliseconds(100)
        return configuration
    }
}
