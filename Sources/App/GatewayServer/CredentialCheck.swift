import EntraIdentity
import Exports
import Logging
import SystemCrypto

extension ConnectionConfiguration {
    /// Checks the credential as far as possible without a call. Throws `StartupError` naming the key that is wrong.
    ///
    /// A problem that may be solved later, such as a certificate that is not valid yet or a missing file with a token, is an error only if
    /// the credential is needed `now`. Otherwise it is logged.
    ///
    /// Returns a description of what was opened, if anything was.
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
