import EntraIdentity
import Exports
import Logging
import SystemCrypto

extension ConnectionConfiguration {
    /// Finds out what can be found out of the credential without a call. Throws `StartupError` naming the key that is wrong.
    ///
    /// What another may still put right, a certificate by its date or a token's file, is a mistake only when it is needed
    /// `now`; else it is logged.
    ///
    /// Returns what was found, in words, where anything was opened.
    @discardableResult
    func checkCredential(now: Bool, time: any TimeSource, logger: Logger) throws(StartupError) -> String? {
        guard case .application(let application) = credential else { return nil }
        switch application.proof {
        case .clientSecret: return nil
        case .federatedToken(let path, let name):
            do throws(ProviderError) {
                try FederatedTokenFile(path: path).check()
                return "there is a federated token"
            } catch {
                try report(StartupError(name, error.detail), isFinal: now, logger)
                return nil
            }
        case .certificate(let settings, let names):
            do throws(KeyMaterialError) {
                let leaf = try CertificateCredential(settings, time: time, logger: logger).check()
                let end = Timestamp(milliseconds: leaf.notAfter * 1000)
                return "the key opens and fits its certificate, \(leaf.subject), which is good until \(end)"
            } catch {
                try report(names.startupError(error), isFinal: now || !error.isAboutTime, logger)
                return nil
            }
        }
    }

    private func report(_ error: StartupError, isFinal: Bool, _ logger: Logger) throws(StartupError) {
        guard !isFinal else { throw error }
        logger.error(
            "A connection cannot sign in for now",
            metadata: ["connection": .string(name), "reason": .string("\(error)")]
        )
    }
}
