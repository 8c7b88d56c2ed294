import NIOCore
import Synchronization

/// One stream under way: the state that the reader, the threads, the writer and the timer share.
///
/// The reader fills a block, the pool compresses it, and the writer passes it on. Each block has a number, which is its place in the
/// output. Reader, writer and timer each wait in one place only; whoever makes the state that they wait for wakes them.
final class BlockStream: Sendable {
    typealias Waiter = CheckedContinuation<Void, Never>

    /// A block that was filled, and that the client has not taken yet.
    private struct InFlight {
        var rung: Int
        var submitted: ContinuousClock.Instant
        var output: CompressedBlock?
    }

    private struct State {
        var pace: Pace
        var history = History()
        /// The block that is being filled, while the reader waits for input. Nil while the reader uses it, or where there is none.
        var partial: Block?
        /// How many blocks were begun. It identifies the block that is being filled.
        var begun = 0
        var blocks: [Int: InFlight] = [:]
        var submitted = 0
        var delivered = 0
        var hasEnded = false
        var failure: (any Error)?
        /// Those that wait for the one that is being compressed, where the coder takes one after the other.
        var queue: [BlockJob] = []
        var isBusy = false
        var reader: Waiter?
        var writer: Waiter?
        var watcher: Waiter?

        var hasCapacity: Bool { partial != nil || submitted - delivered < pace.depth }
        var hasOutput: Bool { blocks[delivered]?.output != nil || (hasEnded && delivered == submitted) }

        func isReady(for party: Party) throws -> Bool {
            if let failure { throw failure }
            return switch party {
            case .reader: hasCapacity
            case .writer: hasOutput
            case .watcher: partial != nil
            }
        }

        /// Gives `block` its place in the stream. Returns what the pool is to do; nil when the stream has failed, or when another
        /// block has to be compressed before.
        mutating func job(for block: Block, of stream: BlockStream) -> BlockJob? {
            guard failure == nil else { return nil }
            history.follow(block)
            blocks[submitted] = InFlight(rung: pace.rung, submitted: .now)
            defer { submitted += 1 }
            let job = BlockJob(block: block, coder: stream.coder, rung: pace.rung, number: submitted, stream: stream)
            guard stream.coder.isSequential else { return job }
            guard !isBusy else {
                queue.append(job)
                return nil
            }
            isBusy = true
            return job
        }

        /// The block that can be compressed now that another one has been.
        mutating func nextJob() -> BlockJob? {
            guard !queue.isEmpty else {
                isBusy = false
                return nil
            }
            return queue.removeFirst()
        }

        mutating func keep(_ waiter: Waiter, for party: Party) {
            switch party {
            case .reader: reader = waiter
            case .writer: writer = waiter
            case .watcher: watcher = waiter
            }
        }
    }

    private enum Party {
        case reader, writer, watcher
    }

    private let coder: any BlockCoder
    private let pool: CompressionPool
    private let state: Mutex<State>

    init(_ coder: any BlockCoder, pace: Pace, pool: CompressionPool) {
        self.coder = coder
        self.pool = pool
        state = Mutex(State(pace: pace))
    }

    /// Ends the stream for all: those that wait, now or later, get `error`. Only the first error counts.
    func fail(_ error: any Error) {
        let waiters = state.withLock { state -> [Waiter?] in
            guard state.failure == nil else { return [] }
            state.failure = error
            state.partial = nil
            state.blocks = [:]
            state.queue = []
            defer { (state.reader, state.writer, state.watcher) = (nil, nil, nil) }
            return [state.reader, state.writer, state.watcher]
        }
        for waiter in waiters { waiter?.resume() }
    }

    // MARK: The reader

    /// Returns when another block may be begun, or the begun one may be continued.
    func waitForCapacity() async throws {
        try await wait(for: .reader)
    }

    /// Takes as many bytes off the front of `input` as fit into the present block. There must be capacity.
    func fill(_ input: inout ByteBuffer) {
        let begun = state.withLock { state in state.partial.take() }
        let block = begun ?? freshBlock()
        block.append(&input)
        if block.isFull {
            submit(block)
        } else {
            let watcher = state.withLock { state -> Waiter? in
                guard state.failure == nil else { return nil }
                state.partial = block
                return state.watcher.take()
            }
            watcher?.resume()
        }
    }

    /// The input is complete.
    func end() {
        let (job, writer) = state.withLock { state -> (BlockJob?, Waiter?) in
            let job = state.partial.take().flatMap { state.job(for: $0, of: self) }
            state.hasEnded = true
            return (job, state.hasOutput ? state.writer.take() : nil)
        }
        if let job { pool.submit(job) }
        writer?.resume()
    }

    private func freshBlock() -> Block {
        let block = pool.block()
        state.withLock { state in
            state.begun += 1
            block.begin(after: state.history, limit: state.pace.blockSize)
        }
        return block
    }

    private func submit(_ block: Block) {
        if let job = state.withLock({ $0.job(for: block, of: self) }) { pool.submit(job) }
    }

    // MARK: The clock

    /// Waits for a block that is being filled; its number among the begun ones.
    func partialBlock() async throws -> Int {
        try await wait(for: .watcher)
        return state.withLock { $0.begun }
    }

    /// Compresses the block that is being filled as it is, if it still is the one with this number.
    func flush(_ begun: Int) {
        let job = state.withLock { state -> BlockJob? in
            guard state.begun == begun, let block = state.partial.take() else { return nil }
            // Done while the lock is held: the reader may begin the next block at once, and needs the history of this one.
            return state.job(for: block, of: self)
        }
        if let job { pool.submit(job) }
    }

    // MARK: The threads

    /// Whether the results of blocks are still needed.
    var isWanted: Bool { state.withLock { $0.failure == nil } }

    func finished(_ number: Int, _ result: Result<CompressedBlock, any Error>) {
        switch result {
        case .failure(let error):
            fail(error)
        case .success(let output):
            let (writer, job) = state.withLock { state -> (Waiter?, BlockJob?) in
                state.blocks[number]?.output = output
                return (number == state.delivered ? state.writer.take() : nil, state.nextJob())
            }
            writer?.resume()
            if let job { pool.submit(job) }
        }
    }

    // MARK: The writer

    /// What the writer passes on next.
    struct Output: Sendable {
        var block: CompressedBlock
        /// Whether it is the last block.
        var isLast: Bool
        fileprivate var rung: Int
        fileprivate var starved: Duration
    }

    /// The next block in order; nil when there is no other.
    func nextOutput() async throws -> Output? {
        let begin = ContinuousClock.now
        try await wait(for: .writer)
        let end = ContinuousClock.now
        return try state.withLock { state throws(any Error) in
            if let failure = state.failure { throw failure }
            guard let block = state.blocks[state.delivered], let output = block.output else { return nil }
            state.blocks[state.delivered]?.output = nil
            return Output(
                block: output,
                isLast: state.hasEnded && state.delivered + 1 == state.submitted,
                rung: block.rung,
                // The time before the block was submitted does not count: the input was missing then, and not the compressor.
                starved: max(.zero, end - max(begin, block.submitted))
            )
        }
    }

    /// The client has taken all of `output`, `blocked` after the first byte was offered.
    func accepted(_ output: Output, blocked: Duration) {
        let reader = state.withLock { state -> Waiter? in
            state.blocks[state.delivered] = nil
            state.delivered += 1
            state.pace.delivered(
                Pace.Delivery(
                    rung: output.rung,
                    length: output.block.length,
                    work: output.block.work,
                    starved: output.starved,
                    blocked: blocked
                )
            )
            return state.hasCapacity ? state.reader.take() : nil
        }
        reader?.resume()
    }

    // MARK: Waiting

    private func wait(for party: Party) async throws {
        if try state.withLock({ state throws(any Error) in try state.isReady(for: party) }) { return }
        await withCheckedContinuation { (waiter: Waiter) in
            let isReady = state.withLock { state in
                // A failure is thrown at the end of this function.
                if (try? state.isReady(for: party)) ?? true { return true }
                state.keep(waiter, for: party)
                return false
            }
            if isReady { waiter.resume() }
        }
        if let failure = state.withLock({ $0.failure }) { throw failure }
    }
}
