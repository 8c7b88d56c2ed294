public import Exports
import Foundation
public import Logging
import Synchronization
public import SystemCrypto

/// A certificate and its key, by which an application signs in. They are read again when their files or the passphrase have changed.
///
/// While files are replaced, the key and the certificate may not match for a moment, and a new certificate may not be valid yet. The
/// former pair is used until the new one can be used, as long as it is valid.
public final class CertificateCredential: Sendable {
    /// Where the key and the certificate are, and how the assertion is made.
    public struct Settings: Sendable {
        /// The key: a path, or a URI such as `pkcs11:token=…`; see `KeyMaterial.open`.
        public var key: String
        /// The certificate, where it is not in the same place as the key.
        public var certificate: String?
        /// The passphrase of an encrypted key, or the PIN of a hardware module.
        public var passphrase: SecretSource?
        public var algorithm: SignatureAlgorithm
        /// Whether the assertion carries the certificates themselves (`x5c`).
        public var sendsChain: Bool

        /// Makes settings.
        public init(
            key: String,
            certificate: String? = nil,
            passphrase: SecretSource? = nil,
            algorithm: SignatureAlgorithm = .ps256,
            sendsChain: Bool = false
        ) {
            self.key = key
            self.certificate = certificate
            self.passphrase = passphrase
            self.algorithm = algorithm
            self.sendsChain = sendsChain
        }
    }

    private struct Opened {
        var material: KeyMaterial
        var fingerprint: [UInt8]
    }

    private let settings: Settings
    private let time: any TimeSource
    private let random: @Sendable (_ count: Int) -> [UInt8]
    private let logger: Logger
    private let open: @Sendable (Settings, _ passphrase: Secret?) throws(KeyMaterialError) -> KeyMaterial
    private let work = BlockingWork(label: "certificate")
    private let opened = Mutex<Opened?>(nil)

    /// Makes a credential; nothing is read yet. `random` gives unpredictable bytes.
    public convenience init(
        _ settings: Settings,
        time: any TimeSource,
        random: @escaping @Sendable (_ count: Int) -> [UInt8] = { randomBytes($0) },
        logger: Logger
    ) {
        self.init(settings, time: time, random: random, logger: logger) {
            settings,
            passphrase throws(KeyMaterialError) in
            try KeyMaterial.open(
                settings.key,
                certificates: settings.certificate,
                passphrase: passphrase.map { Array($0.reveal().utf8) }
            )
        }
    }

    /// `open` reads what the settings name, and may block.
    init(
        _ settings: Settings,
        time: any TimeSource,
        random: @escaping @Sendable (_ count: Int) -> [UInt8],
        logger: Logger,
        open: @escaping @Sendable (Settings, _ passphrase: Secret?) throws(KeyMaterialError) -> KeyMaterial
    ) {
        self.settings = settings
        self.time = time
        self.random = random
        self.logger = logger
        self.open = open
    }

    /// Checks whether an assertion could be signed now, and returns the certificate. Throws the error that says which part cannot be
    /// used.
    ///
    /// Blocks its thread while files are read and a hardware module answers. For the start of the process only, when nothing else runs.
    @discardableResult
    public func check() throws(KeyMaterialError) -> Certificate {
        try material().requireValidity(at: time.now().milliseconds / 1000)
    }

    /// An assertion for one request to `audience`. It is made on a thread of this credential, so that a module that hangs does not block
    /// others.
    ///
    /// Throws `unauthenticated` when the key or the certificate cannot be used, and `transient` when the task is cancelled.
    func assertion(audience: String, clientID: String) async throws(ProviderError) -> Secret {
        try await work.run { () throws(ProviderError) in try self.signed(audience, clientID) }
    }

    private func signed(_ audience: String, _ clientID: String) throws(ProviderError) -> Secret {
        let now = time.now()
        do throws(KeyMaterialError) {
            let material = try material()
            _ = try material.requireValidity(at: now.milliseconds / 1000)
            let assertion = ClientAssertion(
                algorithm: settings.algorithm,
                sendsChain: settings.sendsChain,
                audience: audience,
                clientID: clientID,
                now: now,
                id: random(16)
            )
            do throws(CryptoError) {
                return try assertion.signed(by: material.key, material.certificates)
            } catch {
                // The module may have lost its login or its key. The next call opens it again.
                opened.withLock { $0 = nil }
                throw KeyMaterialError(.signingFailed, .key, reason: error.reason)
            }
        } catch {
            logger.error(
                "The connection's certificate cannot be used",
                metadata: ["reason": .string(error.label), "part": .string(error.part.rawValue)]
            )
            throw ProviderError(
                .unauthenticated,
                "The gateway's certificate for signing in cannot be used (\(error.label)). The gateway's operator has to fix it.",
                cause: error
            )
        }
    }

    private func material() throws(KeyMaterialError) -> KeyMaterial {
        let passphrase = settings.passphrase?.current()
        let fingerprint = fingerprint(passphrase)
        let now = time.now().milliseconds / 1000
        return try opened.withLock { opened throws(KeyMaterialError) in
            if let opened, opened.fingerprint == fingerprint { return opened.material }
            let former = (try? opened?.material.requireValidity(at: now)) == nil ? nil : opened?.material
            do throws(KeyMaterialError) {
                let material = try open(settings, passphrase)
                if former != nil { _ = try material.requireValidity(at: now) }
                if opened != nil { logger.notice("The connection's certificate was replaced and is used from now on") }
                opened = Opened(material: material, fingerprint: fingerprint)
                return material
            } catch {
                guard let former else { throw error }
                logger.warning(
                    "The connection's certificate was replaced by one that cannot be used; the former one is still used",
                    metadata: ["reason": .string(error.label), "part": .string(error.part.rawValue)]
                )
                return former
            }
        }
    }

    /// A digest of all bytes of the files, by which a change is noticed. A hardware module is assumed not to change.
    private func fingerprint(_ passphrase: Secret?) -> [UInt8] {
        var hash = SHA256()
        let names = [settings.key, settings.certificate].compactMap { $0 }
        let files = names.map { SmallFile.read($0, upTo: 1 << 20) ?? [] }
        for bytes in files + [Array((passphrase?.reveal() ?? "").utf8)] {
            hash.update(Array("\(bytes.count) ".utf8))
            hash.update(bytes)
        }
        return hash.finalize()
    }
}

/// Files that are read as a whole, within a limit.
enum SmallFile {
    /// The bytes of the file at a path or `file:` URI; nil when it cannot be read, or is longer than `limit`.
    static func read(_ name: String, upTo limit: Int) -> [UInt8]? {
        // RFC 8089, 2: the host of a local file is empty or localhost.
        let prefix = ["file://localhost/", "file:///", "file:/"].first { name.hasPrefix($0) }
        let path = prefix.map { "/" + name.dropFirst($0.count) } ?? name
        guard let file = FileHandle(forReadingAtPath: path) else { return nil }
        defer { try? file.close() }
        guard let data = try? file.read(upToCount: limit + 1) ?? Data(), data.count <= limit else { return nil }
        return Array(data)
    }
}
