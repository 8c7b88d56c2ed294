// An export from its creation to its file, and three answers that are none, with the generated client `ExportGatewayClient`.
import ExportGatewayClient
import Foundation

#if canImport(FoundationNetworking)
import FoundationNetworking
#endif

let group = UUID(uuidString: "f089354e-8366-4e18-aea3-4cb4a3a50b48")!
let report = UUID(uuidString: "c0ffee00-2222-4333-8444-555566667777")!

struct Failure: Error {
    let reason: String
}

/// A client with the key of one caller.
func client(_ address: String, _ key: String) -> ExportGatewayClientAPIConfiguration {
    ExportGatewayClientAPIConfiguration(basePath: address, customHeaders: ["Authorization": "Bearer \(key)"])
}

/// Whether the export is in the list, whose end is where `nextCursor` is missing.
func isListed(_ id: UUID, _ exports: ExportGatewayClientAPIConfiguration) async throws -> Bool {
    var cursor: String?
    repeat {
        let page = try await ExportsAPI.listExports(
            provider: .powerBi,
            limit: 20,
            cursor: cursor,
            apiConfiguration: exports
        )
        if page.value.contains(where: { $0.id == id }) { return true }
        cursor = page.nextCursor
    } while cursor != nil
    return false
}

/// The SHA-256 that a download has to have: from its head where it was known then, else from the gateway's record of it.
func expected(
    _ id: UUID,
    _ head: [String: String],
    _ exports: ExportGatewayClientAPIConfiguration
) async throws -> (source: String, digest: String) {
    let fields = Dictionary(uniqueKeysWithValues: head.map { ($0.key.lowercased(), $0.value) })
    if let field = fields["unencoded-digest"],
        let digest = Data(base64Encoded: String(field.dropFirst("sha-256=:".count).dropLast()))
    {
        return ("header field", digest.map { String(format: "%02x", $0) }.joined())
    }
    while true {
        let request = fields["x-request-id"]
        let page = try await ExportsAPI.listExportDeliveries(id: id, requestId: request, apiConfiguration: exports)
        if let delivery = page.value.first, delivery.outcome != "underWay" {
            guard delivery.outcome == "whole" else {
                throw Failure(reason: "the download ended as \(delivery.outcome)")
            }
            return ("delivery", delivery.sha256 ?? "")
        }
        try await Task.sleep(for: .milliseconds(100))
    }
}

/// By a program, as Foundation has no digests on Linux. swift-crypto's `SHA256` reads a file in parts too.
func sha256(of file: URL) throws -> String {
    let program = Process()
    let output = Pipe()
    program.executableURL = URL(fileURLWithPath: "/usr/bin/sha256sum")
    program.arguments = [file.path]
    program.standardOutput = output
    try program.run()
    let text = try output.fileHandleForReading.readToEnd() ?? Data()
    program.waitUntilExit()
    return String(decoding: text.prefix(64), as: UTF8.self)
}

/// The file of a download, whose bytes are those that the gateway sent.
func checked(
    _ answer: Response<URL>,
    _ id: UUID,
    _ exports: ExportGatewayClientAPIConfiguration
) async throws -> URL {
    let wanted = try await expected(id, answer.header, exports)
    let found = try sha256(of: answer.body)
    guard found == wanted.digest else {
        throw Failure(reason: "the file has the SHA-256 \(found), not \(wanted.digest)")
    }
    print("downloaded, checked by \(wanted.source): \(found)")
    return answer.body
}

/// The status and the body that a call ended with.
func failure(_ call: () async throws(ErrorResponse) -> Export) async throws -> (status: Int, body: Data) {
    do {
        _ = try await call()
    } catch ErrorResponse.error(let status, let body, _, _) {
        return (status, body ?? Data())
    }
    throw Failure(reason: "it did not fail")
}

func printProblem(_ body: Data) throws {
    let problem = try CodableHelper().jsonDecoder.decode(Problem.self, from: body)
    print("\(problem.status) \(problem.code): \(problem.requestId)")
}

func run(_ address: String, saveAs path: String) async throws {
    let exports = client(address, ProcessInfo.processInfo.environment["EXPORT_GATEWAY_KEY"] ?? "")
    let request = CreateExportRequest(
        provider: .powerBi,
        name: "Quarterly ledger",
        powerBI: PowerBIOptions(groupId: group, reportId: report, format: .csv)
    )
    var export = try await ExportsAPI.createExport(
        createExportRequest: request,
        idempotencyKey: UUID().uuidString,
        apiConfiguration: exports
    )
    let id = export.id
    let name = id.uuidString.lowercased()
    print("created: \(name)")
    while export.completedAt == nil {
        // The answer is held back until something changes.
        export = try await ExportsAPI.getExport(id: id, prefer: "wait=30", apiConfiguration: exports)
    }
    print("ended \(export.status)")
    guard try await isListed(id, exports) else { throw Failure(reason: "it is not in the list") }
    print("listed: \(name)")
    let file = try await checked(
        ExportsAPI.downloadExportFileWithRequestBuilder(id: id, fileId: export.files[0].id, apiConfiguration: exports)
            .execute(),
        id,
        exports
    )
    // The client leaves it below the user's caches.
    try FileManager.default.moveItem(at: file, to: URL(fileURLWithPath: path))
    let same = try await checked(
        ExportsAPI.downloadExportContentWithRequestBuilder(id: id, apiConfiguration: exports).execute(),
        id,
        exports
    )
    try FileManager.default.removeItem(at: same)

    try printProblem(
        await failure { () throws(ErrorResponse) in
            try await ExportsAPI.getExport(id: UUID(), apiConfiguration: exports)
        }
        .body
    )
    let unknown = client(address, "another key")
    try printProblem(
        await failure { () throws(ErrorResponse) in try await ExportsAPI.getExport(id: id, apiConfiguration: unknown) }
            .body
    )
    let head = try await ExportsAPI.getExportWithRequestBuilder(id: id, apiConfiguration: exports).execute().header
    let etag = head.first { $0.key.lowercased() == "etag" }?.value
    let unchanged = try await failure { () throws(ErrorResponse) in
        try await ExportsAPI.getExport(id: id, ifNoneMatch: etag, apiConfiguration: exports)
    }
    print(unchanged.status)
}

do {
    try await run(CommandLine.arguments[1], saveAs: CommandLine.arguments[2])
} catch {
    FileHandle.standardError.write(Data("\(error)\n".utf8))
    exit(1)
}
