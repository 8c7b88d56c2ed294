import Exports
import HTTPTypes
import NIOCore
import NIOEmbedded
import NIOHTTPTypes
import Synchronization
import Testing

@testable import GatewayAPI

@Suite struct DirectAnswerHandlerTests {
    /// A connection with the handler alone: what it passes on can be read, what it answers too.
    private struct Connection {
        let gateway = TestGateway()
        let channel = EmbeddedChannel()
        let export: Export

        init(files: Int = 1) throws {
            gateway.service.state.withLock { $0.keepsSnapshots = true }
            export = gateway.service.put(.succeeded) { export in
                export.files = (0..<files).map { ExportFile(id: "\($0)", name: "a.csv") }
            }
            let direct = try #require(gateway.api.responder.direct)
            let handler = DirectAnswerHandler(answers: direct, table: gateway.api.responder.connections)
            try channel.pipeline.syncOperations.addHandler(handler)
            try channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait()
        }

        func ask(
            _ method: HTTPRequest.Method = .get,
            _ path: String? = nil,
            _ fields: HTTPFields = [:],
            body: String? = nil
        ) {
            let head = HTTPRequest(
                method: method,
                scheme: "http",
                authority: "x",
                path: path ?? "/exports/\(export.id)",
                headerFields: fields
            )
            channel.pipeline.fireChannelRead(HTTPRequestPart.head(head))
            if let body { channel.pipeline.fireChannelRead(HTTPRequestPart.body(ByteBuffer(string: body))) }
            channel.pipeline.fireChannelRead(HTTPRequestPart.end(nil))
        }

        func read() { channel.pipeline.fireChannelReadComplete() }

        /// What Hummingbird got.
        func passed() throws -> [HTTPRequestPart] {
            var parts: [HTTPRequestPart] = []
            while let part = try channel.readInbound(as: HTTPRequestPart.self) { parts.append(part) }
            return parts
        }

        func sent() throws -> [HTTPResponsePart] {
            var parts: [HTTPResponsePart] = []
            while let part = try channel.readOutbound(as: HTTPResponsePart.self) { parts.append(part) }
            return parts
        }

        func answerFromBehind() throws {
            try channel.writeOutbound(HTTPResponsePart.head(HTTPResponse(status: .accepted)))
            try channel.writeOutbound(HTTPResponsePart.end(nil))
        }
    }

    @Test func whatIsAtHandIsAnsweredAndGoesNoFurther() throws {
        let connection = try Connection()
        connection.ask()
        connection.ask(.head)
        connection.ask(.get, "/exports/\(connection.export.id)/operation")
        #expect(try connection.sent().isEmpty)
        connection.read()
        let sent = try connection.sent()
        #expect(sent.count == 8)
        guard case .head(let head) = sent[0], case .body(let body) = sent[1], case .end(nil) = sent[2] else {
            Issue.record("no answer")
            return
        }
        #expect(head.status == .ok)
        #expect(head.headerFields[.contentLength] == "\(body.readableBytes)")
        #expect(head.headerFields[.date] != nil)
        guard case .head(let probe) = sent[3], case .end(nil) = sent[4] else {
            Issue.record("an answer to HEAD has a body")
            return
        }
        #expect(probe.headerFields[.contentLength] == head.headerFields[.contentLength])
        #expect(try connection.passed().isEmpty)
    }

    @Test func whatIsNotCertainIsPassedOnWhole() throws {
        let connection = try Connection()
        let id = connection.export.id
        let others: [(HTTPRequest.Method, String?, HTTPFields, String?)] = [
            (.delete, nil, [:], nil), (.get, "/exports", [:], nil), (.get, "/exports/\(id)?x=1", [:], nil),
            (.get, "/exports/\(id)/", [:], nil), (.get, "/exports/\(id)/files/1", [:], nil),
            (.get, "/exports/01981f3e-7c1a-7b52-9d3e-0242ac120002", [:], nil), (.get, nil, [:], "body"),
            (.get, nil, [.contentLength: "0"], nil), (.get, nil, [.connection: "close"], nil),
            (.get, nil, [.cacheControl: "no-cache"], nil), (.get, nil, [.prefer: "wait=1"], nil),
            (.get, nil, [.accept: "text/html"], nil), (.get, nil, [.upstreamAuthorization: "Bearer x"], nil),
            (.get, nil, [.upstreamDownloadAuthorization: "Bearer x"], nil), (.get, nil, [.cookie: "a=b"], nil),
            (.get, nil, [.ifNoneMatch: String(repeating: "x", count: 1025)], nil),
            (.get, nil, [.userAgent: String(repeating: "x", count: 70_000)], nil),
        ]
        for (method, path, fields, body) in others {
            connection.ask(method, path, fields, body: body)
            connection.read()
            let passed = try connection.passed()
            #expect(passed.count == (body == nil ? 2 : 3), "\(method) \(path ?? "") \(fields)")
            guard case .head(let head)? = passed.first, case .end(nil)? = passed.last else {
                Issue.record("not whole")
                continue
            }
            #expect(head.headerFields == fields)
            #expect(try connection.sent().isEmpty)
            try connection.answerFromBehind()
            #expect(try connection.sent().count == 2)
        }
        connection.ask()
        connection.read()
        #expect(try connection.sent().count == 3)
    }

    @Test func answersKeepTheOrderOfTheirRequests() throws {
        let connection = try Connection()
        connection.ask()
        connection.ask(.delete)
        connection.ask()
        connection.read()
        #expect(try connection.sent().count == 3)
        // What comes behind one that was passed on is passed on, too.
        #expect(try connection.passed().count == 4)
        try connection.answerFromBehind()
        connection.ask()
        #expect(try connection.passed().count == 2)
        try connection.answerFromBehind()
        try connection.answerFromBehind()
        _ = try connection.sent()
        connection.ask()
        connection.read()
        #expect(try connection.sent().count == 3)
        #expect(try connection.passed().isEmpty)
    }

    @Test func aClientThatTakesNothingIsPassedOn() throws {
        let connection = try Connection()
        connection.channel.isWritable = false
        connection.ask()
        #expect(try connection.passed().count == 2)
        try connection.answerFromBehind()
        connection.channel.isWritable = true
        connection.ask()
        #expect(try connection.passed().isEmpty)
    }

    /// Whoever announces a body, or waits to be asked for one, is judged by what has come, and held up by nobody.
    @Test(arguments: [HTTPField.Name.contentLength, .transferEncoding, .expect])
    func aHeadWithABodyToComeIsPassedOnAtOnce(field: HTTPField.Name) throws {
        let connection = try Connection()
        let head = HTTPRequest(
            method: .get,
            scheme: "http",
            authority: "x",
            path: "/exports/\(connection.export.id)",
            headerFields: [field: "1"]
        )
        connection.channel.pipeline.fireChannelRead(HTTPRequestPart.head(head))
        #expect(try connection.passed() == [.head(head)])
    }

    /// TLS keeps what is not flushed, and looks writable all the while.
    @Test func manyAnswersOfOneReadDoNotPileUp() throws {
        let connection = try Connection()
        for _ in 0..<100 { connection.ask() }
        #expect(try connection.sent().count >= 3 * 50)
        connection.read()
        #expect(try connection.passed().isEmpty)
    }

    @Test func whatIsLargeIsPassedOn() throws {
        let connection = try Connection(files: 101)
        connection.ask()
        #expect(try connection.passed().count == 2)
    }

    @Test func theConnectionIsClosedBehindWhatWasAnswered() throws {
        let connection = try Connection()
        connection.ask()
        let closed = connection.channel.close()
        #expect(connection.channel.isActive)
        connection.read()
        #expect(try connection.sent().count == 3)
        try closed.wait()
        #expect(!connection.channel.isActive)
    }
}
