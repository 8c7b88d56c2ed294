import Foundation
public import JSON
import Synchronization

/// What a server answers to each request.
public struct Script: Sendable {
    let answer: @Sendable (ScriptedUpstream.Request) -> ScriptedUpstream.Answer

    /// Takes what is to be answered; called on an event loop, for one request after the other of a connection.
    public init(_ answer: @escaping @Sendable (ScriptedUpstream.Request) -> ScriptedUpstream.Answer) {
        self.answer = answer
    }
}

/// A server on loopback that answers what a test tells it to, and records what it was asked.
public final class ScriptedUpstream: Sendable {
    /// A request as it came.
    public struct Request: Sendable {
        public var method: String
        /// Path and query, byte for byte.
        public var target: String
        public var body: JSONValue?
        let headers: [String: String]

        init(_ call: RawServer.Call) {
            (method, target, headers) = (call.method, call.target, call.headers)
            body = try? JSONValue(parsing: Data(call.body.utf8))
        }

        /// The field of this name.
        public func header(_ name: String) -> String? { headers[name.lowercased()] }

        /// Whether there is a field of this name.
        public func has(_ name: String) -> Bool { header(name) != nil }

        /// The target without its query.
        public var path: String { String(target.prefix { $0 != "?" }) }
    }

    /// What to answer.
    public struct Answer: Sendable {
        var status: Int
        var headers: [(String, String)]
        var body: [UInt8]
        /// Whether the connection closes after the body, whatever length was promised.
        var breaksOff = false
        var isSilent = false

        /// Bytes, with what header fields they need; `Content-Length` is added where none is among them.
        public init(
            status: Int = 200,
            headers: [(String, String)] = [],
            body: [UInt8] = [],
            breaksOff: Bool = false
        ) {
            self.status = status
            self.headers = headers
            self.body = body
            self.breaksOff = breaksOff
        }

        /// A text, with what header fields it needs besides its length.
        public static func text(_ text: String, status: Int = 200, headers: [(String, String)] = []) -> Answer {
            Answer(status: status, headers: headers, body: Array(text.utf8))
        }

        /// A JSON value.
        public static func json(_ value: JSONValue, status: Int = 200, headers: [(String, String)] = []) -> Answer {
            Answer(
                status: status,
                headers: [("Content-Type", "application/json")] + headers,
                body: Array(value.encoded())
            )
        }

        /// No body.
        public static func empty(_ status: Int, headers: [(String, String)] = []) -> Answer {
            Answer(status: status, headers: headers)
        }

        /// The connection closes without an answer.
        public static var none: Answer {
            var answer = Answer(status: 0)
            answer.isSilent = true
            return answer
        }
    }

    private let server: RawServer
    private let current: CurrentScript

    /// Starts a server that answers as `script` says, runs `work` with it, and stops it.
    public static func run<Value>(
        _ script: Script = Script { _ in .empty(599) },
        _ work: (ScriptedUpstream) async throws -> Value
    ) async throws -> Value {
        let current = CurrentScript(script)
        let server = try await RawServer.start { call, _ in current.answer(Request(call)).steps }
        let outcome: Result<Value, any Error>
        do {
            outcome = .success(try await work(ScriptedUpstream(server, current)))
        } catch {
            outcome = .failure(error)
        }
        try await server.stop()
        return try outcome.get()
    }

    private init(_ server: RawServer, _ current: CurrentScript) {
        (self.server, self.current) = (server, current)
    }

    /// `http://127.0.0.1:port`
    public var origin: String { "http://127.0.0.1:\(server.port)" }

    /// Everything asked so far.
    public var requests: [Request] { server.calls.map { Request($0) } }

    /// Answers as `script` says from now on.
    public func script(_ script: @escaping @Sendable (Request) -> Answer) {
        current.script.withLock { $0 = Script(script) }
    }
}

/// The script of now.
private final class CurrentScript: Sendable {
    let script: Mutex<Script>

    init(_ script: Script) { self.script = Mutex(script) }

    func answer(_ request: ScriptedUpstream.Request) -> ScriptedUpstream.Answer {
        script.withLock { $0 }.answer(request)
    }
}

extension ScriptedUpstream.Answer {
    /// What the server does for it.
    fileprivate var steps: [RawServer.Step] {
        if isSilent { return [.close] }
        var fields = headers
        let isChunked = fields.contains { $0.0.lowercased() == "transfer-encoding" }
        let hasBody = ![204, 304].contains(status)
        if hasBody, !isChunked, !fields.contains(where: { $0.0.lowercased() == "content-length" }) {
            fields.append(("content-length", "\(body.count)"))
        }
        let head = ["HTTP/1.1 \(status) -"] + fields.map { "\($0.0): \($0.1)" }
        var bytes = Array((head + ["", ""]).joined(separator: "\r\n").utf8)
        if isChunked, !body.isEmpty {
            bytes += Array("\(String(body.count, radix: 16))\r\n".utf8) + body + Array("\r\n".utf8)
        } else {
            bytes += body
        }
        if breaksOff { return [.bytes(bytes), .close] }
        if isChunked { bytes += Array("0\r\n\r\n".utf8) }
        return [.bytes(bytes)]
    }
}
