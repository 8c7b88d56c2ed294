/// How much processor time the encoder spends to make the output small.
public enum ZstdLevel: String, Sendable, Hashable, CaseIterable {
    /// The fastest level whose output is an eighth smaller than gzip's at `GzipLevel.fast`.
    case fast
    /// libzstd's level 5: smaller than the best gzip, and faster.
    case balanced
    /// libzstd's level 7. Beyond it, much time gains little.
    case best
}

/// The parameters of libzstd for one level.
///
/// All of them take the same memory, and none has a window of more than 8 MiB, which a decoder of the content coding need not
/// support (RFC 9659, 3). Measured with rows of an export, relative to ISA-L's level 2 in speed and bytes: `fast` 0.73 and 0.87,
/// libzstd's own level 1 0.92 and 0.97, `balanced` 0.30 and 0.82, `best` 0.20 and 0.79.
struct ZstdParameters: Sendable, Hashable {
    var level: Int32
    /// The base 2 logarithm of the window's bytes.
    var windowLog: Int32
    /// The base 2 logarithm of the entries of the table of positions.
    var hashLog: Int32
    /// The shortest match that is looked for; 0 for that of the level.
    var minMatch: Int32 = 0

    init(_ level: ZstdLevel) {
        switch level {
        case .fast:
            // Level 1 with a table of four times the size, and only long matches looked for, which gives the time back.
            self.init(level: 1, windowLog: 20, hashLog: 16, minMatch: 7)
        case .balanced: self.init(level: 5, windowLog: 19, hashLog: 17)
        case .best: self.init(level: 7, windowLog: 19, hashLog: 17)
        }
    }

    private init(level: Int32, windowLog: Int32, hashLog: Int32, minMatch: Int32 = 0) {
        self.level = level
        self.windowLog = windowLog
        self.hashLog = hashLog
        self.minMatch = minMatch
    }

    /// What libzstd allocates at most for one frame: 2,041 KiB of each level, by `ZSTD_sizeof_CCtx`, and what it may take more in
    /// another version.
    static let memory = 2200 << 10
}
