// swift-tools-version: 6.2
import Foundation
import PackageDescription

// ISA-L is used where its headers are. EXPORT_GATEWAY_WITHOUT_ISAL=1 builds without it: gzip is zlib's then.
let hasISAL =
    Context.environment["EXPORT_GATEWAY_WITHOUT_ISAL"] != "1"
    && ["/usr", "/usr/local"].contains { FileManager.default.fileExists(atPath: "\($0)/include/isa-l.h") }

// Warnings are errors in our own targets only: dependencies are built as their authors ship them.
let settings: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .treatAllWarnings(as: .error),
]

extension Target.Dependency {
    static let argumentParser = product(name: "ArgumentParser", package: "swift-argument-parser")
    static let asyncHTTPClient = product(name: "AsyncHTTPClient", package: "async-http-client")
    static let grdb = product(name: "GRDB", package: "GRDB.swift")
    static let httpTypes = product(name: "HTTPTypes", package: "swift-http-types")
    static let hummingbird = product(name: "Hummingbird", package: "hummingbird")
    static let hummingbirdCore = product(name: "HummingbirdCore", package: "hummingbird")
    static let hummingbirdTLS = product(name: "HummingbirdTLS", package: "hummingbird")
    static let hummingbirdTesting = product(name: "HummingbirdTesting", package: "hummingbird")
    static let inMemoryLogging = product(name: "InMemoryLogging", package: "swift-log")
    static let logging = product(name: "Logging", package: "swift-log")
    static let metrics = product(name: "Metrics", package: "swift-metrics")
    static let dequeModule = product(name: "DequeModule", package: "swift-collections")
    static let heapModule = product(name: "HeapModule", package: "swift-collections")
    static let coreMetrics = product(name: "CoreMetrics", package: "swift-metrics")
    static let metricsTestKit = product(name: "MetricsTestKit", package: "swift-metrics")
    static let nioCore = product(name: "NIOCore", package: "swift-nio")
    static let nioEmbedded = product(name: "NIOEmbedded", package: "swift-nio")
    static let nioPosix = product(name: "NIOPosix", package: "swift-nio")
    static let nioHTTP1 = product(name: "NIOHTTP1", package: "swift-nio")
    static let nioHTTPTypes = product(name: "NIOHTTPTypes", package: "swift-nio-extras")
    static let nioHTTPTypesHTTP1 = product(name: "NIOHTTPTypesHTTP1", package: "swift-nio-extras")
    static let nioSSL = product(name: "NIOSSL", package: "swift-nio-ssl")
    static let serviceLifecycle = product(name: "ServiceLifecycle", package: "swift-service-lifecycle")
    static let unixSignals = product(name: "UnixSignals", package: "swift-service-lifecycle")
    static let yams = product(name: "Yams", package: "Yams")
}

/// A target of ours: the folder is `Sources/<path>`, the settings are the same everywhere.
func room(
    _ name: String,
    path: String? = nil,
    resources: [Resource] = [],
    defines: [SwiftSetting] = [],
    _ dependencies: [Target.Dependency]
) -> Target {
    .target(
        name: name,
        dependencies: dependencies,
        path: "Sources/\(path ?? name)",
        resources: resources,
        swiftSettings: settings + defines
    )
}

func tests(_ name: String, fixtures: Bool = false, _ dependencies: [Target.Dependency]) -> Target {
    .testTarget(
        name: name,
        dependencies: dependencies,
        resources: fixtures ? [.copy("Fixtures")] : [],
        swiftSettings: settings
    )
}

let package = Package(
    name: "export-gateway",
    platforms: [.macOS(.v15)],
    products: [
        .executable(name: "export-gateway", targets: ["export-gateway"]),
        .library(name: "ProviderConformance", targets: ["ProviderConformance"]),
        .library(name: "LedgerConformance", targets: ["LedgerConformance"]),
    ],
    // Exact: two builds of one commit are made of the same sources.
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", exact: "1.8.2"),
        .package(url: "https://github.com/apple/swift-collections", exact: "1.6.0"),
        .package(url: "https://github.com/apple/swift-http-types", exact: "1.8.0"),
        .package(url: "https://github.com/apple/swift-log", exact: "1.16.2"),
        .package(url: "https://github.com/apple/swift-metrics", exact: "2.13.0"),
        .package(url: "https://github.com/apple/swift-nio", exact: "2.101.2"),
        .package(url: "https://github.com/apple/swift-nio-extras", exact: "1.35.2"),
        .package(url: "https://github.com/apple/swift-nio-ssl", exact: "2.37.6"),
        .package(url: "https://github.com/groue/GRDB.swift", exact: "7.10.0"),
        .package(url: "https://github.com/hummingbird-project/hummingbird", exact: "2.28.1"),
        .package(url: "https://github.com/jpsim/Yams", exact: "6.2.2"),
        .package(url: "https://github.com/swift-server/async-http-client", exact: "1.37.0"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", exact: "2.13.0"),
    ],
    // The order is the floor plan: a target depends only on targets above it in this list.
    targets: [
        .systemLibrary(name: "CZlib", path: "Sources/CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
        .systemLibrary(
            name: "COpenSSL",
            path: "Sources/COpenSSL",
            pkgConfig: "libcrypto",
            providers: [.apt(["libssl-dev"])]
        ),

        .systemLibrary(name: "CMalloc", path: "Sources/CMalloc"),

        room("Exports", [.heapModule, .nioCore]),
        room("SystemCrypto", ["COpenSSL"]),
        room(
            "ParallelGzip",
            defines: hasISAL ? [.define("ISAL")] : [],
            ["CZlib", .nioCore] + (hasISAL ? ["CISAL"] : [])
        ),
        room("Pacing", ["Exports", .dequeModule, .metrics]),
        room("Memory", [.metrics]),
        room(
            "UpstreamHTTP",
            [
                "Exports", "Pacing", "ParallelGzip", .asyncHTTPClient, .httpTypes, .logging, .metrics, .nioCore,
                .nioHTTP1,
                .nioPosix, .nioSSL,
            ]
        ),
        room("EntraIdentity", ["Exports", "UpstreamHTTP", "SystemCrypto", .logging]),

        room("GraphEDiscovery", path: "Providers/GraphEDiscovery", ["Exports", "UpstreamHTTP"]),
        room("VivaGoals", path: "Providers/VivaGoals", ["Exports", "UpstreamHTTP"]),
        room("PowerBI", path: "Providers/PowerBI", ["Exports", "UpstreamHTTP"]),
        room("ProviderConformance", ["Exports", .nioCore]),
        room("ExportLedger", ["Exports", .grdb, .logging, .metrics]),
        room("LedgerConformance", ["Exports", "ExportLedger"]),
        room("StoredZip", ["CZlib", .nioCore]),

        room(
            "ExportEngine",
            [
                "Exports", "SystemCrypto", "ExportLedger", .dequeModule, .heapModule, .logging, .metrics,
                .serviceLifecycle, .nioCore,
            ]
        ),
        room(
            "DownloadRelay",
            ["Exports", "SystemCrypto", "ParallelGzip", "Memory", "StoredZip", .logging, .metrics, .nioCore]
        ),
        room(
            "HTTPListening",
            [.hummingbirdCore, .logging, .nioCore, .nioHTTP1, .nioHTTPTypes, .nioHTTPTypesHTTP1]
        ),
        room(
            "GatewayAPI",
            // A link to the file at the top level: what is served is what is built.
            resources: [.embedInCode("openapi.yaml")],
            [
                "Exports", "SystemCrypto", "Memory", "DownloadRelay", "HTTPListening", .coreMetrics, .httpTypes,
                .hummingbird,
                .hummingbirdCore, .logging, .metrics, .nioCore, .nioHTTP1, .nioHTTPTypes, .nioHTTPTypesHTTP1, .nioSSL,
                .serviceLifecycle,
            ]
        ),
        room(
            "MicrosoftSandbox",
            [
                "Exports", "SystemCrypto", "HTTPListening", .httpTypes, .hummingbird, .hummingbirdCore,
                .hummingbirdTLS, .logging, .nioCore, .nioHTTP1, .nioPosix, .nioSSL, .serviceLifecycle,
            ]
        ),
        room(
            "GatewayServer",
            [
                "CMalloc", "Exports", "SystemCrypto", "Pacing", "UpstreamHTTP", "EntraIdentity", "GraphEDiscovery",
                "VivaGoals", "PowerBI", "ExportLedger", "ExportEngine", "ParallelGzip", "Memory", "DownloadRelay",
                "GatewayAPI",
                "MicrosoftSandbox",
                .coreMetrics, .logging, .metrics, .nioCore, .nioPosix, .nioSSL, .serviceLifecycle, .unixSignals, .yams,
            ]
        ),
        .executableTarget(
            name: "export-gateway",
            dependencies: [
                "Exports", "SystemCrypto", "GatewayServer", "MicrosoftSandbox", .argumentParser, .logging,
                .serviceLifecycle, .unixSignals,
            ],
            path: "Sources/export-gateway",
            swiftSettings: settings
        ),

        .target(
            name: "ScriptedHost",
            dependencies: ["Exports", "UpstreamHTTP", .nioCore, .nioHTTP1, .nioPosix],
            path: "Tests/ScriptedHost",
            swiftSettings: settings
        ),

        .target(
            name: "SandboxBench",
            dependencies: [
                "Exports", "UpstreamHTTP", "SystemCrypto", "ProviderConformance", "MicrosoftSandbox", .coreMetrics,
                .logging,
            ],
            path: "Tests/SandboxBench",
            swiftSettings: settings
        ),

        .executableTarget(
            name: "gzip-throughput",
            dependencies: ["ParallelGzip", .nioCore],
            path: "Tests/Benchmarks/GzipThroughput",
            swiftSettings: settings
        ),

        .executableTarget(
            name: "bare-nio",
            dependencies: [.nioCore, .nioHTTP1, .nioPosix],
            path: "Tests/Benchmarks/BareNIO",
            swiftSettings: settings
        ),

        tests("ExportsTests", ["Exports"]),
        tests("SystemCryptoTests", ["SystemCrypto"]),
        tests("MemoryTests", ["Memory", .metricsTestKit]),
        tests("PacingTests", ["Exports", "Pacing", .coreMetrics, .metrics]),
        tests(
            "UpstreamHTTPTests",
            [
                "Exports", "UpstreamHTTP", "ParallelGzip", .asyncHTTPClient, .coreMetrics, .inMemoryLogging, .logging,
                .nioCore, .nioEmbedded, .nioHTTP1, .nioPosix,
            ]
        ),
        tests(
            "EntraIdentityTests",
            fixtures: true,
            [
                "Exports", "EntraIdentity", "SystemCrypto", "UpstreamHTTP", .coreMetrics, .inMemoryLogging, .logging,
                .nioCore, .nioPosix,
            ]
        ),
        tests(
            "GraphEDiscoveryTests",
            fixtures: true,
            [
                "Exports", "UpstreamHTTP", "GraphEDiscovery", "ProviderConformance", "MicrosoftSandbox", "SandboxBench",
                "ScriptedHost", .coreMetrics, .logging, .nioCore,
            ]
        ),
        tests(
            "VivaGoalsTests",
            fixtures: true,
            [
                "Exports", "UpstreamHTTP", "VivaGoals", "ProviderConformance", "MicrosoftSandbox", "SandboxBench",
                "ScriptedHost", .coreMetrics, .logging, .nioCore,
            ]
        ),
        tests(
            "PowerBITests",
            fixtures: true,
            [
                "Exports", "UpstreamHTTP", "PowerBI", "ProviderConformance", "MicrosoftSandbox", "SandboxBench",
                "ScriptedHost", .coreMetrics, .logging, .nioCore,
            ]
        ),
        tests("ProviderConformanceTests", ["Exports", "ProviderConformance", .nioCore]),
        tests(
            "ExportLedgerTests",
            fixtures: true,
            ["Exports", "ExportLedger", .grdb, .logging, .metrics, .metricsTestKit]
        ),
        tests("LedgerConformanceTests", ["Exports", "ExportLedger", "LedgerConformance", .grdb]),
        tests("ParallelGzipTests", fixtures: true, ["ParallelGzip", "CZlib", .nioCore]),
        tests("StoredZipTests", ["StoredZip", "CZlib", .nioCore]),
        tests(
            "ExportEngineTests",
            [
                "Exports", "SystemCrypto", "ExportLedger", "ExportEngine", .inMemoryLogging, .logging, .metrics,
                .metricsTestKit, .nioCore, .serviceLifecycle,
            ]
        ),
        tests(
            "DownloadRelayTests",
            [
                "Exports", "SystemCrypto", "Memory", "DownloadRelay", "ParallelGzip", "StoredZip", "CZlib", .logging,
                .metrics, .metricsTestKit, .nioCore,
            ]
        ),
        tests("HTTPListeningTests", ["HTTPListening", .nioCore, .nioEmbedded, .nioHTTP1]),
        tests(
            "GatewayAPITests",
            [
                "Exports", "GatewayAPI", "SystemCrypto", "Memory", "DownloadRelay", .coreMetrics, .hummingbird,
                .hummingbirdTesting, .httpTypes, .inMemoryLogging, .logging, .metrics, .nioCore, .nioEmbedded,
                .nioHTTPTypes, .nioPosix, .nioSSL, .serviceLifecycle, .yams,
            ]
        ),
        tests(
            "MicrosoftSandboxTests",
            [
                "Exports", "MicrosoftSandbox", "SystemCrypto", .asyncHTTPClient, .logging, .nioCore, .nioHTTP1,
                .nioPosix,
            ]
        ),
        tests(
            "GatewayServerTests",
            [
                "EntraIdentity", "Exports", "GatewayAPI", "GatewayServer", "SystemCrypto", "UpstreamHTTP",
                .coreMetrics, .inMemoryLogging,
                .logging, .yams,
            ]
        ),
        tests(
            "EndToEndTests",
            [
                "Exports", "GatewayServer", "MicrosoftSandbox", "ScriptedHost", "SystemCrypto", "ParallelGzip",
                .asyncHTTPClient, .logging, .nioCore, .nioHTTP1,
            ]
        ),
    ]
        + (hasISAL
            ? [
                .systemLibrary(
                    name: "CISAL",
                    path: "Sources/CISAL",
                    pkgConfig: "libisal",
                    providers: [.apt(["libisal-dev"])]
                )
            ] : []),
    swiftLanguageModes: [.v6]
)
