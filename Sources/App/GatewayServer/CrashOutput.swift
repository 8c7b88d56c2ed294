import Foundation

/// Prevents that a crash of the process leaves parts of its memory, with secrets, in files or logs.
public enum CrashOutput {
    /// Makes this process leave no core file, and no backtrace that shows memory. To be called before anything is read.
    ///
    /// Swift's backtraces show the memory that each register points to, unless `SWIFT_BACKTRACE` says `registers=none`. With any
    /// other setting, there is no backtrace. Those who are allowed to, such as root, can still attach a debugger.
    public static func hideMemory(environment: [String: String]) {
        // 1 is smaller than every core file. Unlike 0, it also prevents that the core is sent to a program through a pipe.
        var limit = rlimit(rlim_cur: 1, rlim_max: 1)
        #if os(Linux)
        setrlimit(__rlimit_resource_t(RLIMIT_CORE.rawValue), &limit)
        #else
        setrlimit(RLIMIT_CORE, &limit)
        #endif
        guard showsRegisters(environment["SWIFT_BACKTRACE"]) else { return }
        for number in [SIGQUIT, SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGTRAP] { signal(number, SIG_DFL) }
    }

    /// Whether a backtrace with these settings, as in `SWIFT_BACKTRACE`, shows registers. The last setting counts.
    static func showsRegisters(_ settings: String?) -> Bool {
        let registers = (settings ?? "").split(separator: ",").last { $0.hasPrefix("registers=") }
        return registers != "registers=none"
    }
}
