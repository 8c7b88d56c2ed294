#!/usr/bin/env bash
# swift-nio-ssl 2.37.6 with swift-nio 2.101.2 (Swift 6.3.1): what is written behind TLS and not flushed does not count.
#
# A server writes 4 MiB in pieces of 64 KiB to a connection without flushing, as a handler does that answers many pipelined
# requests of one read and flushes in `channelReadComplete`. Its outbound buffer's high-water mark is the default, 64 KiB.
# Expected: `Channel.isWritable` turns false after the first pieces, with TLS as without, so that a handler which looks at it
# keeps little in memory.
# Seen: without TLS it is false after the 2nd piece of 64. With TLS it is still true after all 64: `NIOSSLHandler` keeps the
# pieces until the flush, in a buffer that the channel does not know, and only what is encrypted then is counted. Whoever
# writes without flushing behind TLS has to count the bytes itself.
#
# Prints after which piece the channel stopped being writable, for both. Ends with 0 as long as that is 2 and never, else
# with 1. Needs Swift 6.2 or later, git and openssl; builds in a temporary folder.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout key.pem -out cert.pem -days 2 \
    -subj /CN=localhost -addext subjectAltName=DNS:localhost 2>openssl.log

mkdir -p Sources/Probe
cat >Package.swift <<'SWIFT'
// swift-tools-version: 6.0
import PackageDescription

let package = Package(
    name: "Probe",
    dependencies: [
        .package(url: "https://github.com/apple/swift-nio", exact: "2.101.2"),
        .package(url: "https://github.com/apple/swift-nio-ssl", exact: "2.37.6"),
    ],
    targets: [
        .executableTarget(
            name: "Probe",
            dependencies: [
                .product(name: "NIOCore", package: "swift-nio"), .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "NIOSSL", package: "swift-nio-ssl"),
            ]
        )
    ]
)
SWIFT
cat >Sources/Probe/main.swift <<'SWIFT'
import NIOCore
import NIOPosix
import NIOSSL

/// Writes 64 pieces on the first bytes that it reads, without a flush, and tells after which the channel was not writable any more.
final class Writer: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer
    let result: EventLoopPromise<Int>

    init(result: EventLoopPromise<Int>) { self.result = result }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var stopped = 0
        for piece in 1...64 {
            context.write(wrapOutboundOut(ByteBuffer(repeating: 0x61, count: 65_536)), promise: nil)
            if stopped == 0, !context.channel.isWritable { stopped = piece }
        }
        result.succeed(stopped)
        context.close(promise: nil)
    }
}

final class Asker: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    func channelActive(context: ChannelHandlerContext) {
        context.writeAndFlush(wrapOutboundOut(ByteBuffer(string: "go")), promise: nil)
        context.fireChannelActive()
    }
}

let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
let certificate = try NIOSSLCertificate.fromPEMFile("cert.pem")
let server = try NIOSSLContext(
    configuration: .makeServerConfiguration(
        certificateChain: certificate.map { .certificate($0) },
        privateKey: .privateKey(try NIOSSLPrivateKey(file: "key.pem", format: .pem))
    )
)
var trusting = TLSConfiguration.makeClientConfiguration()
trusting.trustRoots = .certificates(certificate)
let client = try NIOSSLContext(configuration: trusting)

for isSecure in [false, true] {
    let result = group.next().makePromise(of: Int.self)
    let listener = try await ServerBootstrap(group: group)
        .childChannelInitializer { channel in
            channel.eventLoop.makeCompletedFuture {
                if isSecure { try channel.pipeline.syncOperations.addHandler(NIOSSLServerHandler(context: server)) }
                try channel.pipeline.syncOperations.addHandler(Writer(result: result))
            }
        }
        .bind(host: "127.0.0.1", port: 0).get()
    let connection = try await ClientBootstrap(group: group)
        .channelInitializer { channel in
            channel.eventLoop.makeCompletedFuture {
                if isSecure {
                    let handler = try NIOSSLClientHandler(context: client, serverHostname: "localhost")
                    try channel.pipeline.syncOperations.addHandler(handler)
                }
                try channel.pipeline.syncOperations.addHandler(Asker())
            }
        }
        .connect(to: listener.localAddress!).get()
    let stopped = try await result.futureResult.get()
    print("\(isSecure ? "TLS" : "plain"): \(stopped == 0 ? "never" : "after piece \(stopped)")")
    try? await connection.close().get()
    try await listener.close().get()
}
try await group.shutdownGracefully()
SWIFT

swift build >build.log 2>&1 || { tail -20 build.log >&2; exit 2; }
.build/debug/Probe | tee seen
[ "$(cat seen)" = "$(printf 'plain: after piece 2\nTLS: never')" ] || { echo "this has changed" >&2; exit 1; }
