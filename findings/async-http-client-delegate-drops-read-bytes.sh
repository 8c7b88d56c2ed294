#!/usr/bin/env bash
# async-http-client 1.37.0 (Swift 6.3.1): bytes that were read before a connection broke reach the reader of the asynchronous sequence,
# and not a delegate that was not ready for them.
#
# A server announces 1,000 bytes, sends 500 and closes the connection. The reader is busy meanwhile: it reads the body of
# `HTTPClientResponse` half a second after its head, or, as an `HTTPClientResponseDelegate`, answers `didReceiveHead` with a future that
# succeeds after half a second, which the documentation calls the way of back-pressure.
# Expected: both get 500 bytes and then an error, so that a download goes on behind them.
# Seen: the sequence gives 500 bytes and then the error. The delegate gets 0 bytes: `RequestBag` drops the parts that wait for it when
# the connection fails. Whoever continues broken downloads has to take each part at once, and to slow the connection down by
# other means.
#
# Prints the bytes and whether an error came, for both. Ends with 0 as long as that is so, else with 1. Needs Swift 6.2 or later and git;
# builds in a temporary folder.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

mkdir -p Sources/Probe
cat >Package.swift <<'SWIFT'
// swift-tools-version: 6.0
import PackageDescription

let package = Package(
    name: "Probe",
    dependencies: [
        .package(url: "https://github.com/swift-server/async-http-client", exact: "1.37.0"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
    ],
    targets: [
        .executableTarget(
            name: "Probe",
            dependencies: [
                .product(name: "AsyncHTTPClient", package: "async-http-client"),
                .product(name: "NIOCore", package: "swift-nio"), .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
            ]
        )
    ]
)
SWIFT
cat >Sources/Probe/main.swift <<'SWIFT'
import AsyncHTTPClient
import NIOCore
import NIOHTTP1
import NIOPosix

/// Sends half of what it announces, and closes.
final class Half: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let head = "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"
        let text = ByteBuffer(string: head + String(repeating: "x", count: 500))
        context.writeAndFlush(wrapOutboundOut(text), promise: nil)
        context.close(promise: nil)
    }
}

/// Is ready for the body half a second after the head.
final class Late: HTTPClientResponseDelegate {
    typealias Response = Void
    let count: NIOLoopBoundBox<Int>

    init(_ loop: any EventLoop) { count = .makeBoxSendingValue(0, eventLoop: loop) }

    func didReceiveHead(task: HTTPClient.Task<Void>, _ head: HTTPResponseHead) -> EventLoopFuture<Void> {
        task.eventLoop.scheduleTask(in: .milliseconds(500)) {}.futureResult
    }

    func didReceiveBodyPart(task: HTTPClient.Task<Void>, _ buffer: ByteBuffer) -> EventLoopFuture<Void> {
        count.value += buffer.readableBytes
        return task.eventLoop.makeSucceededVoidFuture()
    }

    func didFinishRequest(task: HTTPClient.Task<Void>) throws {}
}

let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
let server = try await ServerBootstrap(group: group)
    .childChannelInitializer { channel in
        channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(Half()) }
    }
    .bind(host: "127.0.0.1", port: 0).get()
let url = "http://127.0.0.1:\(server.localAddress!.port!)/"
let client = HTTPClient(eventLoopGroupProvider: .shared(group))

let response = try await client.execute(HTTPClientRequest(url: url), timeout: .seconds(10))
try await Task.sleep(for: .milliseconds(500))
var (count, ending) = (0, "its end")
do {
    for try await part in response.body { count += part.readableBytes }
} catch {
    ending = "an error"
}
print("sequence: \(count) bytes and \(ending)")

let loop = group.next()
let late = Late(loop)
ending = "its end"
do {
    try await client.execute(request: HTTPClient.Request(url: url), delegate: late).get()
} catch {
    ending = "an error"
}
count = try await loop.submit { late.count.value }.get()
print("delegate: \(count) bytes and \(ending)")

try await client.shutdown()
try await server.close().get()
try await group.shutdownGracefully()
SWIFT

swift build >build.log 2>&1 || { tail -20 build.log >&2; exit 2; }
.build/debug/Probe | tee seen
[ "$(cat seen)" = "$(printf 'sequence: 500 bytes and an error\ndelegate: 0 bytes and an error')" ] || { echo "this has changed" >&2; exit 1; }
