import CMalloc

/// How the process keeps memory that was freed.
public enum ProcessMemory {
    /// To be called before anything else.
    ///
    /// Pieces of downloads are 256 KiB, thousands in a second: clearing fresh pages for each would cost a fifth of the processor
    /// time of a download. And each arena of glibc's keeps what was freed in it, of which glibc would make eight for each processor.
    public static func configure() {
        CMalloc_reuse(1 << 20, 4 << 20)
        CMalloc_limit_arenas(CInt(clamping: max(2, Processors.available)))
    }

    /// Gives what was freed back to the system. It takes milliseconds, in which nobody gets memory.
    static func release() { CMalloc_trim() }
}
