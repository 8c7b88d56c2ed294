public import Exports
import SystemCrypto

/// Finds out whether the system's OpenSSL can do what the gateway needs, before anything needs it.
public enum OpenSSLCheck {
    /// Throws `StartupError` naming what OpenSSL's configuration leaves out.
    public static func run() throws(StartupError) {
        do throws(CryptoError) {
            try SystemCrypto.check()
        } catch {
            throw StartupError("OpenSSL", "\(error)")
        }
    }
}
