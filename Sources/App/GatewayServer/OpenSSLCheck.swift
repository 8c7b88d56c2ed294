public import Exports
import SystemCrypto

/// Checks at the start whether the system's OpenSSL can do what the gateway needs.
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
