import CMalloc

/// Configures how the allocator keeps freed memory.
public enum ProcessMemory {
    /// To be called before anything else, by the gateway and by commands that download.
    ///
    /// Downloads allocate thousands of pieces of 256 KiB in a second. If the system cleared new pages for each, a download would take a
    /// fifth more processor time. Each of glibc's arenas keeps freed memory, and glibc would make eight arenas for each processor.
    public static func configure() {
        CMalloc_reuse(1 << 20, 4 << 20)
        CMalloc_limit_arenas(CInt(clamping: max(2, Processors.available)))
    }

    /// Returns freed memory to the system. It takes milliseconds, in which no thread can allocate memory.
    static func release() { CMalloc_trim() }
}
