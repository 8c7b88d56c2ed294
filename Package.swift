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
    static let grdbSQLite = product(name: "GRDBSQLite", package: "GRDB.swift")
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
    static let nioHTTPTypesHTTP2 = product(name: "NIOHTTPTypesHTTP2", package: "swift-nio-extras")
    static let nioHTTP2 = product(name: "NIOHTTP2", package: "swift-nio-http2")
    static let nioTLS = product(name: "NIOTLS", package: "swift-nio")
    static let nioSSL = product(name: "NIOSSL", package: "swift-nio-ssl")
    static let serviceLifecycle = product(name: "ServiceLifecycle", package: "swift-service-lifecycle")
    static let tracing = product(name: "Tracing", package: "swift-distributed-tracing")
    static let unixSignals = product(name: "UnixSignals", package: "swift-service-lifecycle")
    static let yams = product(name: "Yams", package: "Yams")
}

/// The layers of `Sources`, a folder each, from the lowest to the highest: what their modules may import of ours, by layer or by
/// module. A module of the same layer may be imported where it stands before.
let layers: KeyValuePairs<String, Set<String>> = [
    "System": [],
    "Core": ["System"],
    "Upstream": ["Core"],
    "Providers": ["Exports", "HTTPFields", "JSON", "UpstreamHTTP"],
    "Engine": ["Core"],
    "API": ["Core"],
    "Client": ["Core"],
    "Sandbox": ["Core", "HTTPListening"],
    "App": ["System", "Core", "Upstream", "Providers", "Engine", "API", "Client"],
    "Demo": ["Core", "Upstream", "Sandbox", "App"],
]

/// The layer of each module of ours, as far as they have been declared.
nonisolated(unsafe) var layerOfModule: [String: String] = [:]

/// Ends the reading of the package where a module imports what its layer must not know.
func check(_ name: String, in layer: String, _ dependencies: [Target.Dependency]) {
    guard let allowed = layers.first(where: { $0.key == layer })?.value else { fatalError("\(layer) is no layer") }
    for case .byNameItem(let other, _) in dependencies {
        guard let otherLayer = layerOfModule[other] else {
            fatalError("\(name) imports \(other), which is not declared before it")
        }
        let isSibling = otherLayer == layer && layer != "Providers"
        guard isSibling || allowed.contains(otherLayer) || allowed.contains(other) else {
            fatalError("\(name) imports \(other), which \(layer) must not know")
        }
    }
    layerOfModule[name] = layer
}

/// A library of the system, by its module map.
func system(_ name: String, pkgConfig: String? = nil, package: String? = nil) -> Target {
    check(name, in: "System", [])
    return .systemLibrary(
        name: name,
        path: "Sources/System/\(name)",
        pkgConfig: pkgConfig,
        providers: package.map { [.apt([$0])] }
    )
}

/// A module of a layer: its folder is `Sources/<layer>/<name>`, its settings are those of all.
func module(
    _ layer: String,
    _ name: String,
    defines: [SwiftSetting] = [],
    _ dependencies: [Target.Dependency]
) -> Target {
    check(name, in: layer, dependencies)
    return .target(
        name: name,
        dependencies: dependencies,
        path: "Sources/\(layer)/\(name)",
        swiftSettings: settings + defines
    )
}

/// A module in C that has a file in it, or those of a folder; a file from the top level by a link: what is served is what is built.
/// As an array in Swift, which is what `embedInCode` makes, the interface's document takes the compiler half a minute.
func files(_ layer: String, _ name: String, _ embedded: String) -> Target {
    check(name, in: layer, [])
    return .target(name: name, path: "Sources/\(layer)/\(name)", exclude: [embedded])
}

/// The tests of a module: their folder is `Tests/<layer>/<name>Tests`.
func tests(
    _ layer: String,
    _ name: String,
    fixtures: Bool = false,
    _ dependencies: [Target.Dependency]
) -> Target {
    .testTarget(
        name: name + "Tests",
        dependencies: dependencies,
        path: "Tests/\(layer)/\(name)Tests",
        resources: fixtures ? [.copy("Fixtures")] : [],
        swiftSettings: settings
    )
}

/// What tests and benchmarks share, or run.
func support(_ name: String, path: String, _ dependencies: [Target.Dependency]) -> Target {
    .target(name: name, dependencies: dependencies, path: "Tests/\(path)", swiftSettings: settings)
}

/// A program of a layer: its folder is `Sources/<layer>/<name>`.
func program(_ layer: String, _ name: String, _ dependencies: [Target.Dependency]) -> Target {
    check(name, in: layer, dependencies)
    return program(name, path: "Sources/\(layer)/\(name)", dependencies)
}

func program(_ name: String, path: String, _ dependencies: [Target.Dependency]) -> Target {
    .executableTarget(name: name, dependencies: dependencies, path: path, swiftSettings: settings)
}

let package = Package(
    name: "export-gateway",
    platforms: [.macOS(.v15)],
    products: [
        .executable(name: "export-gateway", targets: ["export-gateway"]),
        .executable(name: "export-gateway-sandbox", targets: ["export-gateway-sandbox"]),
        .library(name: "GatewayClient", targets: ["GatewayClient"]),
        .library(name: "ProviderConformance", targets: ["ProviderConformance"]),
        .library(name: "LedgerConformance", targets: ["LedgerConformance"]),
        .library(name: "ExportServiceConformance", targets: ["ExportServiceConformance"]),
    ],
    // Exact: two builds of one commit are made of the same sources.
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", exact: "1.8.2"),
        .package(url: "https://github.com/apple/swift-collections", exact: "1.6.0"),
        .package(url: "https://github.com/apple/swift-distributed-tracing", exact: "1.7.3"),
        .package(url: "https://github.com/apple/swift-http-types", exact: "1.8.0"),
        .package(url: "https://github.com/apple/swift-log", exact: "1.16.2"),
        .package(url: "https://github.com/apple/swift-metrics", exact: "2.13.0"),
        .package(url: "https://github.com/apple/swift-nio", exact: "2.101.2"),
        .package(url: "https://github.com/apple/swift-nio-extras", exact: "1.35.2"),
        .package(url: "https://github.com/apple/swift-nio-http2", exact: "1.46.0"),
        .package(url: "https://github.com/apple/swift-nio-ssl", exact: "2.37.6"),
        .package(url: "https://github.com/groue/GRDB.swift", exact: "7.10.0"),
        .package(url: "https://github.com/hummingbird-project/hummingbird", exact: "2.28.1"),
        .package(url: "https://github.com/jpsim/Yams", exact: "6.2.2"),
        .package(url: "https://github.com/swift-server/async-http-client", exact: "1.37.0"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", exact: "2.13.0"),
    ],
    targets: (hasISAL ? [system("CISAL", pkgConfig: "libisal", package: "libisal-dev")] : []) + [
        system("CMalloc"),
        system("COpenSSL", pkgConfig: "libcrypto", package: "libssl-dev"),
        system("CPQ", pkgConfig: "libpq", package: "libpq-dev"),
        system("CZlib", pkgConfig: "zlib", package: "zlib1g-dev"),
        system("CZstd", pkgConfig: "libzstd", package: "libzstd-dev"),

        module("Core", "JSON", []),
        module("Core", "Exports", ["JSON", .heapModule, .nioCore]),
        module("Core", "HTTPFields", ["Exports"]),
        module("Core", "InternetAddresses", [.nioCore]),
        module("Core", "PostgreSQL", ["CPQ", "Exports"]),
        module("Core", "SystemCrypto", ["COpenSSL"]),
        module("Core", "Webhooks", ["Exports", "JSON", "SystemCrypto"]),
        module("Core", "Audit", ["Exports", "InternetAddresses", "JSON", "SystemCrypto"]),
        module("Core", "Telemetry", ["Exports", "JSON", .coreMetrics, .logging, .metrics]),
        module("Core", "Spans", ["Exports", .tracing]),
        module("Core", "Memory", [.metrics]),
        module("Core", "StoredZip", ["CZlib", .nioCore]),
        module(
            "Core",
            "ParallelGzip",
            defines: hasISAL ? [.define("ISAL")] : [],
            ["CZlib", .nioCore] + (hasISAL ? ["CISAL"] : [])
        ),
        module("Core", "Zstandard", ["CZstd", "ParallelGzip", .nioCore]),

        module("Upstream", "Pacing", ["Exports", .dequeModule, .metrics]),
        module(
            "Upstream",
            "UpstreamHTTP",
            [
                "Exports", "JSON", "HTTPFields", "InternetAddresses", "Pacing", "ParallelGzip", "Spans", "SystemCrypto",
                .asyncHTTPClient, .httpTypes, .logging, .metrics, .nioCore, .nioHTTP1, .nioPosix, .nioSSL,
            ]
        ),
        module(
            "Upstream",
            "WebhookTransport",
            [
                "Exports", "InternetAddresses", "Webhooks", "UpstreamHTTP", .nioCore, .nioHTTP1, .nioPosix, .nioSSL,
                .nioTLS,
            ]
        ),
        module(
            "Upstream",
            "SyslogTransport",
            [
                "Audit", "Exports", "UpstreamHTTP", .logging, .metrics, .nioCore, .nioPosix, .nioSSL, .nioTLS,
            ]
        ),
        module("Upstream", "TraceExport", ["Exports", "Spans", "UpstreamHTTP", .logging, .metrics, .tracing]),
        module("Upstream", "EntraIdentity", ["Exports", "JSON", "UpstreamHTTP", "SystemCrypto", .logging]),

        module("Providers", "GraphEDiscovery", ["Exports", "JSON", "UpstreamHTTP"]),
        module("Providers", "VivaGoals", ["Exports", "JSON", "HTTPFields", "UpstreamHTTP"]),
        module("Providers", "PowerBI", ["Exports", "JSON", "HTTPFields", "UpstreamHTTP"]),
        module("Providers", "Intune", ["Exports", "JSON", "HTTPFields", "UpstreamHTTP"]),
        module("Providers", "ProviderConformance", ["Exports", "JSON", .nioCore]),

        module(
            "Engine",
            "ExportLedger",
            ["Audit", "Exports", "JSON", "Webhooks", .grdb, .grdbSQLite, .logging, .metrics]
        ),
        module(
            "Engine",
            "PostgreSQLLedger",
            ["Audit", "Exports", "PostgreSQL", "Webhooks", "ExportLedger", .logging, .metrics]
        ),
        module("Engine", "LedgerConformance", ["Audit", "Exports", "JSON", "Webhooks", "ExportLedger"]),
        module(
            "Engine",
            "LedgerMaintenance",
            [
                "Audit", "Exports", "JSON", "PostgreSQL", "SystemCrypto", "Webhooks", "ExportLedger",
                "PostgreSQLLedger", .grdb, .grdbSQLite,
            ]
        ),
        module("Engine", "ExportServiceConformance", ["Exports", .nioCore]),
        module(
            "Engine",
            "ExportEngine",
            [
                "Audit", "Exports", "JSON", "Spans", "SystemCrypto", "ExportLedger", .dequeModule, .heapModule,
                .logging,
                .metrics,
                .serviceLifecycle,
            ]
        ),

        module(
            "Engine",
            "WebhookEngine",
            [
                "Exports", "SystemCrypto", "Webhooks", "ExportLedger", .logging, .metrics, .serviceLifecycle,
            ]
        ),
        module("Engine", "AuditEngine", ["Audit", "Exports", "ExportLedger", .logging, .metrics, .serviceLifecycle]),

        module(
            "API",
            "DownloadRelay",
            [
                "Exports", "HTTPFields", "SystemCrypto", "ParallelGzip", "Memory", "StoredZip",
                "Zstandard", .logging, .metrics, .nioCore,
            ]
        ),
        module(
            "API",
            "HTTPListening",
            [.hummingbirdCore, .logging, .nioCore, .nioHTTP1, .nioHTTPTypes, .nioHTTPTypesHTTP1]
        ),
        module(
            "API",
            "CallerIdentity",
            [
                "Exports", "JSON", "SystemCrypto", .coreMetrics, .httpTypes, .logging, .nioCore, .nioSSL,
                .serviceLifecycle,
            ]
        ),
        files("API", "COpenAPI", "openapi.yaml"),
        files("API", "CConsole", "files"),
        module(
            "API",
            "GatewayAPI",
            [
                "Audit", "CConsole", "COpenAPI", "Exports", "JSON", "HTTPFields", "InternetAddresses", "SystemCrypto",
                "Telemetry", "Spans",
                "Memory", "Webhooks", "DownloadRelay", "HTTPListening", "CallerIdentity", .coreMetrics, .httpTypes,
                .hummingbird,
                .hummingbirdCore, .logging,
                .nioCore, .nioHTTP1, .nioHTTP2, .nioHTTPTypes, .nioHTTPTypesHTTP1, .nioHTTPTypesHTTP2, .nioSSL, .nioTLS,
                .serviceLifecycle,
            ]
        ),

        module(
            "Client",
            "GatewayClient",
            [
                "Exports", "HTTPFields", "JSON", "SystemCrypto", .asyncHTTPClient, .dequeModule, .nioCore, .nioHTTP1,
                .nioPosix, .nioSSL,
            ]
        ),

        module(
            "Sandbox",
            "MicrosoftSandbox",
            [
                "Exports", "JSON", "HTTPFields", "SystemCrypto", "StoredZip", "HTTPListening", .httpTypes, .hummingbird,
                .hummingbirdCore, .hummingbirdTLS, .logging, .nioCore, .nioHTTP1, .nioSSL, .serviceLifecycle,
            ]
        ),

        module("App", "LiveCheck", ["Exports", "JSON", "UpstreamHTTP", .nioCore]),
        module(
            "App",
            "GatewayServer",
            [
                "Audit", "AuditEngine", "CMalloc", "Exports", "InternetAddresses", "JSON", "SystemCrypto", "Telemetry",
                "Memory",
                "ParallelGzip", "Pacing", "UpstreamHTTP", "EntraIdentity", "GraphEDiscovery", "VivaGoals", "PowerBI",
                "Intune",
                "ExportLedger", "PostgreSQLLedger", "ExportEngine", "DownloadRelay", "CallerIdentity", "GatewayAPI",
                "PostgreSQL", "Spans", "SyslogTransport", "TraceExport", "WebhookEngine", "WebhookTransport",
                "Webhooks",
                "Zstandard", "LiveCheck",
                .logging, .metrics,
                .nioCore, .nioPosix, .nioSSL, .serviceLifecycle, .unixSignals, .yams,
            ]
        ),
        module("App", "ProgramSupport", ["Exports", "GatewayServer", .argumentParser]),
        module(
            "App",
            "ClientCommands",
            [
                "Exports", "GatewayClient", "GatewayServer", "JSON", "ProgramSupport", "SystemCrypto", .argumentParser,
                .unixSignals,
            ]
        ),
        program(
            "App",
            "export-gateway",
            [
                "Audit", "Exports", "JSON", "LedgerMaintenance", "SystemCrypto", "Telemetry", "LiveCheck",
                "GatewayServer", "ProgramSupport", "ClientCommands", .argumentParser, .unixSignals,
            ]
        ),

        module(
            "Demo",
            "GatewayDemo",
            [
                "Exports", "JSON", "SystemCrypto", "Telemetry", "ParallelGzip", "UpstreamHTTP", "EntraIdentity",
                "MicrosoftSandbox", "GatewayServer", .logging, .metrics, .nioCore, .serviceLifecycle, .unixSignals,
            ]
        ),
        program(
            "Demo",
            "export-gateway-sandbox",
            [
                "Exports", "SystemCrypto", "Telemetry", "MicrosoftSandbox", "ProgramSupport", "GatewayDemo",
                .argumentParser, .logging, .serviceLifecycle, .unixSignals,
            ]
        ),

        support("ManualClock", path: "Support/ManualClock", ["Exports"]),
        support(
            "ScriptedHost",
            path: "Support/ScriptedHost",
            ["Exports", "JSON", "UpstreamHTTP", "TestSupport", .nioCore, .nioPosix, .coreMetrics, .logging]
        ),
        support(
            "SandboxBench",
            path: "Support/SandboxBench",
            [
                "Exports", "ManualClock", "JSON", "UpstreamHTTP", "SystemCrypto", "ProviderConformance",
                "MicrosoftSandbox", .coreMetrics, .logging,
            ]
        ),
        support("TestTokens", path: "Support/TestTokens", ["JSON", "SystemCrypto", "CallerIdentity"]),
        support("TestSupport", path: "Support/TestSupport", []),
        support("ZlibReference", path: "Support/ZlibReference", ["CZlib", "TestSupport"]),
        support("ZstdReference", path: "Support/ZstdReference", ["CZstd"]),
        .systemLibrary(name: "CSpawn", path: "Tests/Support/CSpawn"),
        support("TestPostgreSQL", path: "Support/TestPostgreSQL", ["CSpawn", "Exports", "PostgreSQL", "TestSupport"]),
        support("TestLedger", path: "Support/TestLedger", ["ExportLedger", "TestSupport"]),
        program("gzip-throughput", path: "Tests/Benchmarks/GzipThroughput", ["ParallelGzip", .nioCore]),
        program("bare-nio", path: "Tests/Benchmarks/BareNIO", [.nioCore, .nioHTTP1, .nioPosix]),

        tests("Core", "JSON", ["JSON", "TestSupport"]),
        tests("Core", "Exports", ["Exports", "ManualClock", "JSON", "TestSupport"]),
        tests("Core", "HTTPFields", ["Exports", "HTTPFields"]),
        tests("Core", "InternetAddresses", ["InternetAddresses", .nioCore]),
        tests("Core", "SystemCrypto", ["SystemCrypto"]),
        tests("Core", "Webhooks", ["Exports", "JSON", "SystemCrypto", "Webhooks"]),
        tests("Core", "Audit", ["Audit", "Exports", "ManualClock", "SystemCrypto"]),
        tests("Core", "Telemetry", ["Exports", "ManualClock", "JSON", "Telemetry", .coreMetrics, .logging, .metrics]),
        tests("Core", "PostgreSQL", ["CPQ", "Exports", "PostgreSQL", "TestPostgreSQL", "TestSupport"]),
        tests("Core", "Memory", ["Memory", "TestSupport", .metricsTestKit]),
        tests("Core", "Spans", ["Exports", "ManualClock", "Spans", .tracing]),
        tests("Upstream", "Pacing", ["Exports", "ManualClock", "Pacing", "TestSupport", .coreMetrics]),
        tests(
            "Upstream",
            "UpstreamHTTP",
            [
                "Exports", "ManualClock", "JSON", "HTTPFields", "UpstreamHTTP", "ParallelGzip", "Spans", "TestSupport",
                "ScriptedHost", .asyncHTTPClient, .coreMetrics, .inMemoryLogging, .logging, .metricsTestKit, .nioCore,
                .nioEmbedded, .nioHTTP1, .nioPosix, .nioSSL, .tracing,
            ]
        ),
        tests(
            "Upstream",
            "SyslogTransport",
            [
                "Audit", "Exports", "ManualClock", "SyslogTransport", "TestSupport", "UpstreamHTTP", .logging,
                .metricsTestKit, .nioCore, .nioPosix, .nioSSL, .nioTLS,
            ]
        ),
        tests(
            "Upstream",
            "TraceExport",
            ["Exports", "ManualClock", "Spans", "TestSupport", "TraceExport", .logging, .metricsTestKit]
        ),
        tests(
            "Upstream",
            "WebhookTransport",
            [
                "Exports", "ManualClock", "ScriptedHost", "UpstreamHTTP", "TestSupport", "Webhooks", "WebhookTransport",
                .nioCore, .nioPosix, .nioSSL, .nioTLS,
            ]
        ),
        tests(
            "Upstream",
            "EntraIdentity",
            fixtures: true,
            [
                "Exports", "ManualClock", "JSON", "HTTPFields", "EntraIdentity", "SystemCrypto", "UpstreamHTTP",
                "ScriptedHost", "TestSupport", .coreMetrics, .inMemoryLogging, .logging,
            ]
        ),
        tests(
            "Providers",
            "GraphEDiscovery",
            fixtures: true,
            [
                "Exports", "ManualClock", "JSON", "UpstreamHTTP", "GraphEDiscovery", "ProviderConformance",
                "MicrosoftSandbox", "SandboxBench", "ScriptedHost",
            ]
        ),
        tests(
            "Providers",
            "VivaGoals",
            fixtures: true,
            [
                "Exports", "ManualClock", "JSON", "UpstreamHTTP", "VivaGoals", "ProviderConformance",
                "MicrosoftSandbox", "SandboxBench", "ScriptedHost",
            ]
        ),
        tests(
            "Providers",
            "PowerBI",
            fixtures: true,
            [
                "Exports", "ManualClock", "JSON", "UpstreamHTTP", "PowerBI", "ProviderConformance", "MicrosoftSandbox",
                "SandboxBench", "ScriptedHost",
            ]
        ),
        tests(
            "Providers",
            "Intune",
            [
                "Exports", "ManualClock", "JSON", "UpstreamHTTP", "Intune", "ProviderConformance", "MicrosoftSandbox",
                "SandboxBench", "ScriptedHost",
            ]
        ),
        tests("Providers", "ProviderConformance", ["Exports", "ManualClock", "JSON", "ProviderConformance", .nioCore]),
        tests(
            "Engine",
            "ExportLedger",
            fixtures: true,
            [
                "Exports", "JSON", "Webhooks", "ExportLedger", "TestSupport", "TestLedger", .grdb, .logging, .metrics,
                .metricsTestKit,
            ]
        ),
        tests(
            "Engine",
            "LedgerConformance",
            ["Audit", "Exports", "Webhooks", "ExportLedger", "LedgerConformance", "TestLedger", .grdb]
        ),
        tests(
            "Engine",
            "LedgerMaintenance",
            [
                "Audit", "Exports", "JSON", "PostgreSQL", "Webhooks", "ExportLedger", "PostgreSQLLedger",
                "LedgerMaintenance", "TestPostgreSQL", "TestSupport", .grdb,
            ]
        ),
        tests(
            "Engine",
            "PostgreSQLLedger",
            [
                "Exports", "PostgreSQL", "ExportLedger", "PostgreSQLLedger", "LedgerConformance",
                "TestLedger", "TestPostgreSQL", .logging, .metrics,
            ]
        ),
        tests(
            "Core",
            "ParallelGzip",
            fixtures: true,
            ["ManualClock", "ParallelGzip", "CZlib", "TestSupport", "ZlibReference", .nioCore]
        ),
        tests(
            "Core",
            "Zstandard",
            ["ManualClock", "ParallelGzip", "Zstandard", "ZlibReference", "ZstdReference", .nioCore]
        ),
        tests("Core", "StoredZip", ["StoredZip", "CZlib", .nioCore]),
        tests(
            "Engine",
            "ExportEngine",
            [
                "Audit", "Exports", "ManualClock", "JSON", "Spans", "SystemCrypto", "ExportLedger", "ExportEngine",
                "ExportServiceConformance", "PostgreSQL", "PostgreSQLLedger", "TestPostgreSQL", "TestSupport",
                "TestLedger",
                .inMemoryLogging, .logging, .metrics,
                .metricsTestKit, .nioCore, .serviceLifecycle,
            ]
        ),
        tests(
            "Engine",
            "WebhookEngine",
            [
                "Exports", "ExportLedger", "JSON", "ManualClock", "SystemCrypto", "TestSupport", "WebhookEngine",
                "Webhooks", .logging, .metricsTestKit, .serviceLifecycle,
            ]
        ),
        tests(
            "Engine",
            "AuditEngine",
            [
                "Audit", "AuditEngine", "ExportLedger", "Exports", "ManualClock", "TestLedger", "TestSupport", .grdb,
                .logging,
                .metricsTestKit,
            ]
        ),
        tests("Engine", "LeaseSimulation", ["ExportLedger", "ExportEngine", "TestSupport"]),
        tests(
            "API",
            "DownloadRelay",
            [
                "Exports", "ManualClock", "JSON", "HTTPFields", "SystemCrypto", "Memory", "DownloadRelay",
                "ParallelGzip", "StoredZip", "TestSupport", "ZlibReference", "Zstandard", "ZstdReference", .logging,
                .metricsTestKit, .nioCore,
            ]
        ),
        tests("API", "HTTPListening", ["HTTPListening", .nioCore, .nioEmbedded, .nioHTTP1, .nioPosix]),
        tests(
            "API",
            "CallerIdentity",
            [
                "Exports", "ManualClock", "JSON", "CallerIdentity", "SystemCrypto", "Telemetry", "TestTokens",
                .coreMetrics, .httpTypes, .logging, .nioEmbedded, .serviceLifecycle,
            ]
        ),
        tests(
            "API",
            "GatewayAPI",
            [
                "Audit", "Exports", "InternetAddresses", "ManualClock", "JSON", "HTTPFields", "CallerIdentity",
                "GatewayAPI",
                "Spans", "SystemCrypto",
                "Telemetry", "Memory", "DownloadRelay", "ExportServiceConformance", "TestTokens", "TestSupport",
                "Webhooks",
                .httpTypes, .hummingbird, .hummingbirdTesting, .inMemoryLogging, .logging, .nioCore, .nioEmbedded,
                .nioHTTP1, .nioHTTP2, .nioHTTPTypes, .nioHTTPTypesHTTP1, .nioHTTPTypesHTTP2, .nioPosix,
                .nioSSL, .serviceLifecycle, .tracing, .yams,
            ]
        ),
        tests(
            "Sandbox",
            "MicrosoftSandbox",
            [
                "Exports", "ManualClock", "JSON", "MicrosoftSandbox", "SystemCrypto", "SandboxBench", .asyncHTTPClient,
                .nioCore, .nioHTTP1, .nioPosix,
            ]
        ),
        tests(
            "Client",
            "GatewayClient",
            [
                "Exports", "GatewayClient", "JSON", "ManualClock", "ScriptedHost", "SystemCrypto", "TestSupport",
                .asyncHTTPClient, .nioCore, .nioEmbedded, .nioHTTP1, .nioPosix, .nioSSL,
            ]
        ),
        tests("App", "LiveCheck", ["Exports", "JSON", "LiveCheck", "ManualClock", "UpstreamHTTP", .nioCore]),
        tests("App", "ClientCommands", ["ClientCommands", "GatewayClient", "JSON", "ProgramSupport", "TestSupport"]),
        tests(
            "App",
            "GatewayServer",
            [
                "Audit", "AuditEngine", "CallerIdentity", "EntraIdentity", "ExportLedger", "Exports", "ManualClock",
                "JSON", "GatewayAPI",
                "GatewayServer", "Pacing", "ParallelGzip", "Spans", "SyslogTransport", "SystemCrypto", "Telemetry",
                "TestSupport",
                "TraceExport", "UpstreamHTTP", "Zstandard", "ExportEngine", .coreMetrics, .inMemoryLogging, .logging,
                .yams,
            ]
        ),
        tests(
            "App",
            "EndToEnd",
            [
                "Exports", "JSON", "GatewayServer", "MicrosoftSandbox", "ScriptedHost", "SystemCrypto", "Telemetry",
                "ParallelGzip", .asyncHTTPClient, .logging, .nioCore, .nioHTTP1,
            ]
        ),
    ],
    swiftLanguageModes: [.v6]
)
