import Foundation

/// What a process that holds secrets leaves behind when it crashes: nothing of its memory.
public enum CrashOutput {
    /// Has this process leave no core file, and no backtrace that shows memory. To be called before anything is read.
    ///
    /// Swift's backtraces show, of each register, the memory that it points to, unless `SWIFT_BACKTRACE` says
    /// `registers=none`: with any other setting there is no backtrace. Whoever may, as root may, can still attach a debugger.
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

    /// Whether a backtrace with these settings, as in `SWIFT_BACKTRACE`, shows registers: the last word on them counts.
    static func showsRegisters(_ settings: String?) -> Bool {
        let registers = (settings ?? "").split(separator: ",").last { $0.hasPrefix("registers=") }
        return registers != "registers=none"
    }
}
