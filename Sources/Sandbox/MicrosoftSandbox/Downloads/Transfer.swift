import Exports
import Hummingbird
import HummingbirdCore
import NIOCore
import ServiceLifecycle

/// The body of a download, written block by block at the reader's pace, with whatever end its faults give it.
struct Transfer: Sendable {
    /// Where a download stops being faithful.
    private enum Ending {
        case whole
        case cut(after: Int64)
        case stall(after: Int64)
    }

    /// The connection is to be closed, because the answer must not end cleanly.
    private struct Broken: Error {}

    let range: Range<Int64>
    let faults: Faults
    let content: GeneratedFile
    let channel: any Channel
    let time: any TimeSource

    func body() -> ResponseBody {
        ResponseBody(contentLength: announcedLength) { writer in
            switch ending {
            case .whole:
                try await write(range.count64 - missing, to: &writer)
                try await writer.finish(nil)
            case .cut(let count):
                try await write(min(count, range.count64), to: &writer)
                // Closes only the output first, so that all written bytes arrive.
                try? await channel.close(mode: .output)
                throw Broken()
            case .stall(let count):
                try await write(min(count, range.count64), to: &writer)
                await readerLeaves()
                throw Broken()
            }
        }
    }

    /// How many bytes at the end are held back although the answer ends as if it were whole.
    private var missing: Int64 {
        if case .shortDownload(let missing) = faults[.ending] { min(missing, range.count64) } else { 0 }
    }

    private var announcedLength: Int? {
        if faults.has(.noContentLength) { return nil }
        if case .wrongLength(let excess) = faults[.ending] { return Int(range.count64 + excess) }
        return Int(range.count64 - missing)
    }

    private var ending: Ending {
        switch faults[.ending] {
        case .cutDownload(let count): .cut(after: count)
        case .stallDownload(let count): .stall(after: count)
        case .wrongLength: .cut(after: range.count64)
        default: .whole
        }
    }

    private func write(_ count: Int64, to writer: inout any ResponseBodyWriter) async throws {
        var offset = range.lowerBound
        let end = range.lowerBound + count
        var pace = Pace(faults[.pace])
        while offset < end {
            if pace.isSpent { try await pause(pace.next()) }
            var chunk = content.chunk(at: offset)
            let limit = min(end - offset, pace.left)
            if Int64(chunk.readableBytes) > limit { chunk.moveWriterIndex(to: chunk.readerIndex + Int(limit)) }
            offset += Int64(chunk.readableBytes)
            pace.left -= Int64(chunk.readableBytes)
            try await writer.write(chunk)
        }
    }

    private func pause(_ duration: Duration) async throws {
        try await cancelWhenGracefulShutdown { try await time.sleep(for: duration) }
    }

    /// Returns when the caller has closed the connection, or the sandbox shuts down.
    private func readerLeaves() async {
        await withTaskCancellationHandler {
            await withGracefulShutdownHandler {
                try? await channel.closeFuture.get()
            } onGracefulShutdown: {
                channel.close(promise: nil)
            }
        } onCancel: {
            channel.close(promise: nil)
        }
    }
}

extension Range<Int64> {
    fileprivate var count64: Int64 { upperBound - lowerBound }
}

/// So many bytes at a time, ten times a second or, for the slowest, one byte at a time.
private struct Pace {
    /// What may still be written before the next pause.
    var left: Int64
    private let portion: Int64
    private let interval: Duration

    init(_ fault: SandboxFault?) {
        if case .dripDownload(let rate) = fault {
            portion = Int64(max(1, rate / 10))
            interval = .milliseconds(rate < 10 ? 1000 / max(1, rate) : 100)
        } else {
            portion = .max
            interval = .zero
        }
        left = portion
    }

    var isSpent: Bool { left == 0 }

    /// Begins the next portion and tells how long to wait before it.
    mutating func next() -> Duration {
        left = portion
        return interval
    }
}
