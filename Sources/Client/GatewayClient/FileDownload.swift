import Exports
import NIOCore

/// One download: carries out what `DownloadState` decides.
struct FileDownload {
    let client: GatewayClient
    let export: String
    let file: GatewayFile
    let part: PartFile
    let onEvent: @Sendable (DownloadEvent) -> Void
    private var state: DownloadState
    private var retry: RetryState
    /// Whether bytes of an earlier run are in the file: they may be others than those that the gateway sent.
    private var hasOldBytes: Bool
    private var requestID = ""

    init(
        client: GatewayClient,
        export: String,
        file: GatewayFile,
        part: PartFile,
        left: DownloadState.Part?,
        onEvent: @escaping @Sendable (DownloadEvent) -> Void
    ) {
        (self.client, self.export, self.file, self.part, self.onEvent) = (client, export, file, part, onEvent)
        state = DownloadState(size: file.size, sha256: file.sha256, part: left)
        retry = RetryState(client.settings)
        hasOldBytes = left != nil
    }

    /// Downloads until the file is whole and has its name. What came of it stays, where something came.
    mutating func run() async throws -> DownloadedFile {
        do {
            return try await series()
        } catch {
            let part = part
            if state.offset == 0 { try? await client.disk.run { part.remove() } }
            throw error
        }
    }

    private mutating func series() async throws -> DownloadedFile {
        onEvent(.began(from: state.offset, total: state.total ?? file.size))
        for _ in 0..<client.settings.longestSeries {
            do {
                if !state.hasAll { try await fetch() }
                if let done = try await finish() { return done }
            } catch let error as GatewayClientError where error.isTransient || error.isBreak {
                try await pause(after: error)
            }
        }
        throw GatewayClientError.fileIncomplete("\(file.name) broke off too often.")
    }

    /// One request, and its bytes into the file.
    private mutating func fetch() async throws {
        let request = state.request
        var call = GatewayCall(path: ["exports", export, "files", file.id], headers: client.tokenFields)
        if let token = client.tokens.downloads {
            call.headers.append(("upstream-download-authorization", token.bearer))
        }
        if request.offset > 0 { call.headers.append(("range", "bytes=\(request.offset)-")) }
        if let validator = request.validator { call.headers.append(("if-range", validator)) }
        let opened: OpenedFile
        do {
            opened = try await client.transport.open(call)
        } catch GatewayClientError.refused(let problem) where problem.status == 416 && request.offset > 0 {
            try await beginAgain()
            return try await fetch()
        }
        requestID = opened.requestID
        defer { opened.close() }
        switch state.opened(opened.head) {
        case .appends: break
        case .beginsAgain: try await emptied(noting: true)
        case .unusable:
            try await emptied(noting: false)
            throw GatewayClientError.fileIncomplete("\(file.name): a part came that was not asked for.")
        }
        try await write(opened)
        guard state.ended(trailer: opened.digest) == .complete else {
            throw GatewayClientError.fileIncomplete("\(file.name) ended after \(progress).")
        }
    }

    /// Writes bytes as they come, and what came before a break: it is of use. Nothing is written into the file after this returns.
    private mutating func write(_ opened: OpenedFile) async throws {
        let (onEvent, total) = (onEvent, state.total ?? file.size)
        let writer = PartWriter(part, client.disk, on: opened.eventLoop) { onEvent(.reached($0, total: total)) }
        var broken: (any Error)?
        do { try await opened.read { writer.take($0) } } catch { broken = error }
        let (bytes, written) = writer.end()
        state.received(bytes)
        try await written?.get()
        guard let broken else { return }
        let error = TransportError.named(broken, client.address)
        guard error is GatewayClientError else { throw error }
        throw GatewayClientError.unreachable("\(file.name) broke off after \(progress).")
    }

    /// Checks what is there, and gives it its name. Nil where it has to be fetched again.
    private mutating func finish() async throws -> DownloadedFile? {
        let (disk, part) = (client.disk, part)
        let sha256 = try await disk.run { part.sha256() }
        let check: DownloadedFile.Check
        switch state.verdict(on: sha256) {
        case .whole: check = .digest
        case .wrong where hasOldBytes:
            // A run that was killed may have left bytes that the disk has changed. Once, everything is fetched again.
            try await beginAgain()
            return nil
        case .wrong(let expected): throw await wrong(sha256, expected)
        case .unknown:
            guard let found = try await vouched(sha256) else { return nil }
            check = found
        }
        let syncs = client.settings.syncsFiles
        try await disk.run { try part.complete(syncing: syncs) }
        return DownloadedFile(
            file: file,
            path: part.path,
            bytes: state.offset,
            sha256: sha256,
            fetched: state.fetched,
            check: check
        )
    }

    /// What vouches for a file without a digest. Nil where it has to be fetched again.
    private mutating func vouched(_ sha256: String) async throws -> DownloadedFile.Check? {
        if state.pieces > 1 || state.fetched == 0 {
            // Somebody may have had the whole file meanwhile, the gateway itself included.
            let record = try? await client.export(export).files.first { $0.id == file.id }
            if record?.sha256 == sha256 { return .digest }
            if hasOldBytes {
                // Their validator is that of what was sent, and only a digest tells whether the disk still has that.
                try await beginAgain()
                return nil
            }
            if let expected = record?.sha256 { throw await wrong(sha256, expected) }
            if state.validator != nil, state.offset == state.total { return .validator }
        } else {
            switch try await client.delivery(of: export, requestID, bytes: state.offset, sha256: sha256) {
            case .whole: return .delivery
            case .other(let expected): throw await wrong(sha256, expected)
            case .broken:
                state.announcedTooLittle()
                throw GatewayClientError.fileIncomplete(
                    "\(file.name) ended after \(progress): by its own record, the gateway did not send the whole file."
                )
            case .underWay, .unknown: break
            }
        }
        if client.settings.takesUnverifiedFiles { return DownloadedFile.Check.none }
        throw GatewayClientError.fileUnverified("\(file.name): nothing says whether its \(state.offset) bytes are all.")
    }

    private func wrong(_ sha256: String, _ expected: String) async -> GatewayClientError {
        let part = part
        try? await client.disk.run { part.remove() }
        return .fileWrong("\(file.name) has the SHA-256 \(sha256), and \(expected) was announced: it was removed.")
    }

    private mutating func pause(after error: GatewayClientError) async throws {
        if state.broke() { retry.progressed() }
        let passing =
            error.isBreak
            ? retry.failed(retryAfter: nil, jitter: client.random.jitter())
            : retry.failed(error, jitter: client.random.jitter())
        guard let pause = passing else {
            guard case .unreachable = error, state.fetched > 0 else { throw error }
            throw GatewayClientError.fileIncomplete("\(error) It could not be continued.")
        }
        onEvent(.broke(reason: "\(error)", at: state.offset, pause: pause))
        try await client.time.sleep(for: pause)
        if state.offset == 0 { try await emptied(noting: false) }
    }

    private mutating func beginAgain() async throws {
        state.dropAll()
        try await emptied(noting: false)
    }

    /// The file is empty again. With `noting`, what will come is noted, so that another run can go on with it.
    private mutating func emptied(noting: Bool) async throws {
        hasOldBytes = false
        let origin =
            noting
            ? state.validator.map { PartFile.Origin(export: export, file: file.id, etag: $0, total: state.total) } : nil
        let part = part
        try await client.disk.run {
            try part.restart()
            try part.note(origin)
        }
    }

    private var progress: String {
        (state.total ?? file.size).map { "\(state.offset) of \($0) bytes" } ?? "\(state.offset) bytes"
    }
}

extension GatewayClientError {
    /// Whether a file broke off, so that it may be continued.
    fileprivate var isBreak: Bool { if case .fileIncomplete = self { true } else { false } }
}
