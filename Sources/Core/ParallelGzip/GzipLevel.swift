/// How much processor time the encoder spends to make the output small.
public enum GzipLevel: String, Sendable, Hashable, CaseIterable {
    /// Chosen for each block by the client's speed: small output for a slow client, fast compression for a fast one. The bytes
    /// depend on timing.
    case adaptive
    /// The fastest useful level: ISA-L's 2, or zlib's 1 where there is no ISA-L.
    case fast
    /// zlib's 5.
    case balanced
    /// A little more than zlib's 6, so that the output is not larger than level 6 of a web server.
    case best
}

/// The libraries that compress.
public enum GzipEngine: String, Sendable, Hashable, CaseIterable {
    /// Intel's Intelligent Storage Acceleration Library: ten times as fast as zlib, for a few percent more bytes.
    case isal = "isa-l"
    /// The system's zlib.
    case zlib

    /// Those that this program was built with, the fastest first.
    public static var available: [GzipEngine] {
        #if ISAL
        [.isal, .zlib]
        #else
        [.zlib]
        #endif
    }

    /// The fastest that there is.
    public static var fastest: GzipEngine { available[0] }
}

/// One way to compress a block.
struct Effort: Sendable, Hashable {
    var engine: GzipEngine
    /// The engine's own level: ISA-L's 1…3, zlib's 1…9.
    var level: Int32

    /// What a fixed level means; `adaptive` begins as `fast` does.
    init(_ level: GzipLevel, on engine: GzipEngine) {
        switch level {
        case .fast, .adaptive: self = Self.ladder(on: engine)[0]
        case .balanced: self.init(engine: .zlib, level: 5)
        case .best: self.init(engine: .zlib, level: 6)
        }
    }

    init(engine: GzipEngine, level: Int32) {
        self.engine = engine
        self.level = level
    }

    /// The efforts from the fastest to the smallest output. Levels that are hardly faster or smaller than the next one are left out:
    /// ISA-L's 1, zlib's 7 and 8, and, where there is ISA-L, zlib's 1 to 4.
    static func ladder(on engine: GzipEngine) -> [Effort] {
        let zlib: [Int32] = [5, 6, 9]
        switch engine {
        case .isal:
            return [2, 3].map { Effort(engine: .isal, level: $0) } + zlib.map { Effort(engine: .zlib, level: $0) }
        case .zlib: return ([1, 3, 4] + zlib).map { Effort(engine: .zlib, level: $0) }
        }
    }
}
