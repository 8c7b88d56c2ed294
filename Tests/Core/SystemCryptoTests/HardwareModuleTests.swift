import Foundation
import Synchronization
import Testing

import SystemCrypto

/// Tokens of SoftHSM, in a directory that their environment variable names for the rest of the process.
private struct SoftHSM {
    static let module = "/usr/lib/softhsm/libsofthsm2.so"
    static let isInstalled = FileManager.default.fileExists(atPath: module)

    let openssl: OpenSSLCommand

    /// Each test has a process of its own: the module reads its configuration once.
    static func with(_ test: (SoftHSM) throws -> Void) throws {
        try OpenSSLCommand.with { openssl in
            try FileManager.default.createDirectory(
                atPath: openssl.path("tokens"),
                withIntermediateDirectories: true
            )
            try "directories.tokendir = \(openssl.path("tokens"))\n"
                .write(toFile: openssl.path("softhsm2.conf"), atomically: true, encoding: .utf8)
            setenv("SOFTHSM2_CONF", openssl.path("softhsm2.conf"), 1)
            try openssl.makePair()
            try openssl.run("pkcs8 -topk8 -nocrypt -in key.pem -out key.p8")
            try test(SoftHSM(openssl: openssl))
        }
    }

    func makeToken(_ label: String, pin: String) throws {
        try openssl.run("--init-token --free --label \(label) --so-pin 135791 --pin \(pin)", of: "softhsm2-util")
        try openssl.run(
            "--import key.p8 --token \(label) --label signing --id a1 --pin \(pin)",
            of: "softhsm2-util"
        )
    }

    func open(_ label: String, pin: String?, module: String = module) throws -> KeyMaterial {
        try KeyMaterial.open(
            "pkcs11:token=\(label);object=signing;type=private?module-path=\(module)",
            certificates: openssl.path("certificate.pem"),
            passphrase: pin.map { Array($0.utf8) }
        )
    }

    func error(_ label: String, pin: String?, module: String = module) throws -> KeyMaterialError {
        try #require(throws: KeyMaterialError.self) { try open(label, pin: pin, module: module) }
    }
}

extension KeyMaterial {
    fileprivate func signs() throws -> Bool {
        let message = randomBytes(32)
        return try key.publicKey.verifies(key.signature(of: message, .ps256), of: message, .ps256)
    }
}

@Suite(.enabled(if: SoftHSM.isInstalled)) struct HardwareModuleTests {
    @Test func manyConnectionsAtOnce() async {
        await #expect(processExitsWith: .success) {
            try SoftHSM.with { module in
                try module.makeToken("first", pin: "246810")
                try module.makeToken("second", pin: "975310")
                let unsigned = Counter()
                DispatchQueue.concurrentPerform(iterations: 8) { thread in
                    for turn in 0..<25 {
                        let isFirst = (thread + turn).isMultiple(of: 2)
                        let (label, pin) = isFirst ? ("first", "246810") : ("second", "975310")
                        // Some fail, at times when no key is in use and at others.
                        if turn % 5 == 4 { _ = try? module.open("absent", pin: pin) }
                        if (try? module.open(label, pin: pin).signs()) != true { unsigned.add() }
                    }
                }
                #expect(unsigned.count == 0)
            }
        }
    }

    @Test func aPINIsForItsOwnConnectionOnly() async {
        await #expect(processExitsWith: .success) {
            try SoftHSM.with { module in
                try module.makeToken("first", pin: "246810")
                try module.makeToken("second", pin: "246810")
                #expect(try module.open("first", pin: "246810").signs())
                // The same PIN would open it, if it were tried.
                #expect(try module.error("second", pin: nil) == KeyMaterialError(.passphraseMissing, .passphrase))
                #expect(try module.error("second", pin: "000000") == KeyMaterialError(.wrongPassphrase, .passphrase))
                #expect(try module.open("second", pin: "246810").signs())
            }
        }
    }

    @Test func withoutAPINNobodyIsAsked() async {
        await #expect(processExitsWith: .success) {
            try SoftHSM.with { module in
                try module.makeToken("first", pin: "246810")
                #expect(try module.error("first", pin: nil) == KeyMaterialError(.passphraseMissing, .passphrase))
                #expect(try module.open("first", pin: "246810").signs())
            }
        }
    }

    @Test func aSecondModuleIsRefusedWhileTheFirstIsInUse() async {
        await #expect(processExitsWith: .success) {
            try SoftHSM.with { module in
                try module.makeToken("first", pin: "246810")
                #expect(try module.error("first", pin: "246810", module: "/not/there.so").part == .key)
                let opened = try module.open("first", pin: "246810")
                #expect(try module.error("first", pin: "246810", module: "/not/there.so").code == .anotherModule)
                #expect(try opened.signs())
            }
        }
    }

    @Test func aTokenThatWasNotThereIsLookedForAgain() async {
        await #expect(processExitsWith: .success) {
            try SoftHSM.with { module in
                try module.makeToken("first", pin: "246810")
                #expect(try module.error("late", pin: "975310").code == .cannotOpen)
                try module.makeToken("late", pin: "975310")
                #expect(try module.open("late", pin: "975310").signs())
            }
        }
    }
}

private final class Counter: Sendable {
    private let state = Mutex(0)

    var count: Int { state.withLock { $0 } }

    func add() { state.withLock { $0 += 1 } }
}
