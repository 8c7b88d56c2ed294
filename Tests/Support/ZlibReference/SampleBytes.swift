import TestSupport

/// Lines like those of an export: they compress about as well.
public func rows(_ count: Int, seed: UInt64 = 1) -> [UInt8] {
    if seed == 1, count <= manyRows.count { return Array(manyRows.prefix(count)) }
    return makeRows(count, seed)
}

private let manyRows = makeRows(3 << 20, 1)

private func makeRows(_ count: Int, _ seed: UInt64) -> [UInt8] {
    var random = SeededRandom(seed: seed)
    var bytes: [UInt8] = []
    bytes.reserveCapacity(count + 64)
    var row = 0
    while bytes.count < count {
        let user = random.next() % 5000
        bytes.append(contentsOf: "\(row),2026-07-02,user\(user)@example.com,\(random.next() % 100_000)\r\n".utf8)
        row += 1
    }
    return Array(bytes.prefix(count))
}

/// Bytes that no encoder can make smaller, the same each time for the same seed.
public func noise(_ count: Int, seed: UInt64 = 1) -> [UInt8] {
    if seed == 1, count <= muchNoise.count { return Array(muchNoise.prefix(count)) }
    return makeNoise(count, seed)
}

private let muchNoise = makeNoise(3 << 20, 1)

private func makeNoise(_ count: Int, _ seed: UInt64) -> [UInt8] {
    var random = SeededRandom(seed: seed)
    let words = (count + 7) / 8
    let bytes = [UInt8](unsafeUninitializedCapacity: words * 8) { buffer, length in
        UnsafeMutableRawBufferPointer(buffer)
            .withMemoryRebound(to: UInt64.self) { words in
                for index in words.indices { words[index] = random.next() }
            }
        length = words * 8
    }
    return Array(bytes.prefix(count))
}
