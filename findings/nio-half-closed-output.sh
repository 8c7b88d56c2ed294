#!/usr/bin/env bash
# swift-nio 2.101.2 (Swift 6.3.1): closing the output sends what is queued, but not to a client that has closed its half first.
#
# A server writes and flushes 64 MiB, which is more than the socket takes at once, and closes the channel's output
# (`close(mode: .output)`), with `allowRemoteHalfClosure`. One client sends a byte and reads to the end; another closes its
# half after that byte, as HTTP clients do that have said their last word (`nc -N`), and the server begins when it hears of
# that (`ChannelEvent.inputClosed`).
# Expected: both get 64 MiB. `close(mode: .output)` waits for what is queued, as the first client shows.
# Seen: the first one gets 67108864 bytes, the second one only what was taken until then (8 to 13 MB here), and no error:
# with the input closed already, closing the output becomes closing the whole channel, which drops what is queued. A server
# has to wait for its last write before it closes anything of such a connection.
#
# Prints both numbers. Ends with 0 as long as the first is whole and the second is not, else with 1. Needs Swift 6.0 or later,
# git and python3; builds in a temporary folder.
set -euo pipefail

work=$(mktemp -d)
server=
trap 'if [ -n "$server" ]; then kill "$server" 2>/dev/null || true; fi; rm -rf "$work"' EXIT
cd "$work"

mkdir -p Sources/Probe
cat >Package.swift <<'SWIFT'
// swift-tools-version: 6.0
import PackageDescription

let package = Package(
    name: "Probe",
    dependencies: [.package(url: "https://github.com/apple/swift-nio", exact: "2.101.2")],
    targets: [
        .executableTarget(
            name: "Probe",
            dependencies: [
                .product(name: "NIOCore", package: "swift-nio"), .product(name: "NIOPosix", package: "swift-nio"),
            ]
        )
    ]
)
SWIFT
cat >Sources/Probe/main.swift <<'SWIFT'
import Foundation
import NIOCore
import NIOPosix

/// Answers `a` at once, and `b` when the client has closed its half.
final class Answerer: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        if unwrapInboundIn(data).readableBytesView.first == UInt8(ascii: "a") { answer(context) }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case ChannelEvent.inputClosed = event { answer(context) }
    }

    private func answer(_ context: ChannelHandlerContext) {
        for _ in 0..<64 {
            context.write(wrapOutboundOut(ByteBuffer(repeating: 0x61, count: 1 << 20)), promise: nil)
        }
        context.flush()
        context.close(mode: .output, promise: nil)
    }
}

let server = try await ServerBootstrap(group: .singletonMultiThreadedEventLoopGroup)
    .childChannelOption(.allowRemoteHalfClosure, value: true)
    .childChannelInitializer { channel in
        channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(Answerer()) }
    }
    .bind(host: "127.0.0.1", port: 0)
    .get()
FileHandle.standardOutput.write(Data("\(server.localAddress!.port!)\n".utf8))
try await server.closeFuture.get()
SWIFT
swift build --quiet >build.log 2>&1 || { cat build.log; exit 1; }
.build/debug/Probe >port &
server=$!
for _ in $(seq 100); do [ -s port ] && break; sleep 0.1; done

python3 - "$(cat port)" <<'PY'
import socket, sys

WHOLE = 64 << 20


def ask(byte, closes):
    with socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=60) as client:
        client.sendall(byte)
        if closes:
            client.shutdown(socket.SHUT_WR)
        count = 0
        while piece := client.recv(1 << 16):
            count += len(piece)
        return count


open_, half_closed = ask(b"a", False), ask(b"b", True)
print(f"open: {open_} bytes, half closed: {half_closed} bytes, of {WHOLE}")
sys.exit(0 if open_ == WHOLE and half_closed < WHOLE else 1)
PY
