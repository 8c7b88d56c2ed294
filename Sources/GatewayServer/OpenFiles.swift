import Foundation
import Logging

/// How many files and sockets this process may have open at a time.
public enum OpenFiles {
    /// Raises the limit to the highest that the system lets this process set (`getrlimit(2)`), and gives back what it is then.
    ///
    /// The usual limit, 1,024, is for programs that call `select`; each download takes a socket to either side.
    @discardableResult
    public static func raiseLimit() -> UInt64 {
        var limit = rlimit()
        #if os(Linux)
        let files = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
        #else
        let files = RLIMIT_NOFILE
        #endif
        guard getrlimit(files, &limit) == 0 else { return 0 }
        var raised = limit
        raised.rlim_cur = raised.rlim_max
        if setrlimit(files, &raised) == 0 { limit = raised }
        return UInt64(limit.rlim_cur)
    }

    /// Warns where `limit` is too low for so many clients, each with a call upstream.
    static func warn(ofLimit limit: UInt64, connections: Int, _ logger: Logger) {
        let wanted = UInt64(2 * connections + 256)
        guard limit < wanted else { return }
        logger.warning(
            "Fewer files may be open than server.maximumConnections needs: raise the limit (ulimit -n), or lower the setting",
            metadata: ["limit": "\(limit)", "wanted": "\(wanted)"]
        )
    }
}
