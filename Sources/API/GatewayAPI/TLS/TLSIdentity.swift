public import Exports
import NIOSSL
import Synchronization
import SystemCrypto

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// The certificate and key of the gateway, as its files had them when they were last read and valid.
public final class TLSIdentity: Sendable {
    /// The outcome of reading the files again.
    enum Reload: Sendable {
        /// The files are those in use, or as unusable as at the last reload.
        case unchanged
        /// New connections get the new certificate.
        case replaced
        /// The files cannot be used: the former certificate stays.
        case unusable(StartupError)
    }

    private struct State {
        var context: NIOSSLContext
        var expiresAt: Timestamp
        /// The digest of the files in use.
        var digest: [UInt8]
        /// Why the present files are not used.
        var refusal: Refusal?
    }

    private struct Refusal: Equatable {
        /// The digest of the files; nil where they cannot be read.
        var digest: [UInt8]?
        var key: String
        var detail: String
    }

    private let settings: TLSSettings
    private let state: Mutex<State>

    /// Reads the files. Throws `StartupError` with the key below `server.tls` for a file that cannot be read, a certificate
    /// that is not valid at `now`, and a key that is another's.
    public init(_ settings: TLSSettings, at now: Timestamp) throws(StartupError) {
        self.settings = settings
        let files = try TLSFiles(settings)
        state = Mutex(try Self.state(of: files, settings, at: now))
    }

    /// Whether clients may choose HTTP/2.
    var offersHTTP2: Bool { settings.offersHTTP2 }

    /// When the certificate expires.
    public var expiresAt: Timestamp { state.withLock { $0.expiresAt } }

    /// The TLS context for new connections.
    var context: NIOSSLContext { state.withLock { $0.context } }

    /// Reads the files again, and uses what is new in them. Refused files are checked again at each reload, because a
    /// certificate that is not valid yet will be. Each refusal is returned once.
    func reload(at now: Timestamp) -> Reload {
        var digest: [UInt8]?
        do throws(StartupError) {
            let files = try TLSFiles(settings)
            digest = files.digest
            let isInUse = state.withLock { state in
                guard state.digest == files.digest else { return false }
                state.refusal = nil
                return true
            }
            guard !isInUse else { return .unchanged }
            let new = try Self.state(of: files, settings, at: now)
            state.withLock { $0 = new }
            return .replaced
        } catch {
            let refusal = Refusal(digest: digest, key: error.key, detail: error.detail)
            return state.withLock { state in
                guard state.refusal != refusal else { return .unchanged }
                state.refusal = refusal
                return .unusable(error)
            }
        }
    }

    private static func state(
        of files: TLSFiles,
        _ settings: TLSSettings,
        at now: Timestamp
    ) throws(StartupError) -> State {
        let chain = try files.chain()
        let configuration = try files.configuration(chain, settings)
        let (start, end) = (Self.time(chain[0].notValidBefore), Self.time(chain[0].notValidAfter))
        guard now < end else {
            throw StartupError(
                "server.tls.certificate",
                "the certificate in \(settings.certificateFile) expired at \(end)"
            )
        }
        guard start <= now else {
            throw StartupError(
                "server.tls.certificate",
                "the certificate in \(settings.certificateFile) is not valid before \(start)"
            )
        }
        do {
            return State(
                context: try NIOSSLContext(configuration: configuration),
                expiresAt: end,
                digest: files.digest
            )
        } catch {
            throw StartupError(
                "server.tls.key",
                "the key in \(settings.keyFile) does not belong to the certificate in \(settings.certificateFile)"
            )
        }
    }

    private static func time(_ seconds: some BinaryInteger) -> Timestamp {
        Timestamp(milliseconds: Int64(seconds) * 1000)
    }
}

/// The contents of the files at one moment.
private struct TLSFiles {
    private let certificate: [UInt8]
    private let key: [UInt8]
    private let clientAuthority: [UInt8]?
    /// The digest of the files' contents.
    let digest: [UInt8]

    init(_ settings: TLSSettings) throws(StartupError) {
        certificate = try Self.bytes(settings.certificateFile, "certificate")
        key = try Self.bytes(settings.keyFile, "key")
        clientAuthority = try settings.clientAuthorityFile.map { path throws(StartupError) in
            try Self.bytes(path, "clientAuthority")
        }
        let digests = [certificate, key, clientAuthority ?? []].map { SHA256.hash($0) }
        digest = SHA256.hash(Array(digests.joined()))
    }

    private static func bytes(_ path: String, _ name: String) throws(StartupError) -> [UInt8] {
        do {
            return Array(try Data(contentsOf: URL(filePath: path)))
        } catch {
            throw StartupError("server.tls.\(name)", "the file \(path) cannot be read")
        }
    }

    /// The chain, with the gateway's certificate first; never empty.
    func chain() throws(StartupError) -> [NIOSSLCertificate] { try Self.certificates(certificate, "certificate") }

    func configuration(
        _ chain: [NIOSSLCertificate],
        _ settings: TLSSettings
    ) throws(StartupError) -> TLSConfiguration {
        let key: NIOSSLPrivateKey
        do {
            key = try NIOSSLPrivateKey(bytes: self.key, format: .pem)
        } catch {
            throw StartupError("server.tls.key", "the file holds no private key in PEM form without a passphrase")
        }
        var configuration = TLSConfiguration.makeServerConfiguration(
            certificateChain: chain.map { .certificate($0) },
            privateKey: .privateKey(key)
        )
        configuration.minimumTLSVersion =
            switch settings.minimumVersion {
            case .v12: .tlsv12
            case .v13: .tlsv13
            }
        // For TLS 1.2; all ciphers of 1.3 are secure. All of these have forward secrecy, so that the private key does not open
        // recorded connections, and none uses CBC.
        configuration.cipherSuiteValues = [
            .TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, .TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
            .TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, .TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
            .TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, .TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
        ]
        configuration.applicationProtocols = settings.offersHTTP2 ? ["h2", "http/1.1"] : ["http/1.1"]
        if let clientAuthority {
            configuration.trustRoots = .certificates(try Self.certificates(clientAuthority, "clientAuthority"))
            // Client certificates have no host name to compare.
            configuration.certificateVerification =
                settings.requiresClientCertificate ? .noHostnameVerification : .optionalVerification
            configuration.sendCANameList = true
        }
        return configuration
    }

    private static func certificates(
        _ bytes: [UInt8],
        _ name: String
    ) throws(StartupError) -> [NIOSSLCertificate] {
        guard let certificates = try? NIOSSLCertificate.fromPEMBytes(bytes), !certificates.isEmpty else {
            throw StartupError("server.tls.\(name)", "the file holds no certificate in PEM form")
        }
        return certificates
    }
}
