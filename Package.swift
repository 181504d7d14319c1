// swift-tools-version: 6.2
import PackageDescription

/// Every target of ours: Swift 6 mode, warnings are errors, imports say what they expose.
let strict: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .treatAllWarnings(as: .error),
]

let argumentParser: Target.Dependency = .product(name: "ArgumentParser", package: "swift-argument-parser")
let grdb: Target.Dependency = .product(name: "GRDB", package: "GRDB.swift")
let logging: Target.Dependency = .product(name: "Logging", package: "swift-log")
let nio: [Target.Dependency] = [
    .product(name: "NIOConcurrencyHelpers", package: "swift-nio"),
    .product(name: "NIOCore", package: "swift-nio"),
    .product(name: "NIOPosix", package: "swift-nio"),
]
let http: Target.Dependency = .product(name: "NIOHTTP1", package: "swift-nio")
let protobuf: Target.Dependency = .product(name: "SwiftProtobuf", package: "swift-protobuf")
let yams: Target.Dependency = .product(name: "Yams", package: "Yams")

func library(_ name: String, _ dependencies: [Target.Dependency] = [], exclude: [String] = []) -> Target {
    .target(name: name, dependencies: dependencies, exclude: exclude, swiftSettings: strict)
}

func tests(_ name: String, _ dependencies: [Target.Dependency], exclude: [String] = []) -> Target {
    .testTarget(name: name, dependencies: dependencies, exclude: exclude, swiftSettings: strict)
}

let package = Package(
    name: "entente",
    platforms: [.macOS(.v15)],
    products: [.executable(name: "entente", targets: ["entente"])],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser.git", exact: "1.8.2"),
        .package(url: "https://github.com/apple/swift-log.git", exact: "1.16.2"),
        .package(url: "https://github.com/apple/swift-nio.git", exact: "2.101.2"),
        .package(url: "https://github.com/apple/swift-protobuf.git", exact: "1.39.0"),
        .package(url: "https://github.com/groue/GRDB.swift.git", exact: "7.10.0"),
        .package(url: "https://github.com/jpsim/Yams.git", exact: "6.2.2"),
    ],
    targets: [
        // The system's C libraries.
        .systemLibrary(name: "CSodium", pkgConfig: "libsodium", providers: [.apt(["libsodium-dev"])]),
        .systemLibrary(name: "COpenSSL", pkgConfig: "openssl", providers: [.apt(["libssl-dev"])]),
        .systemLibrary(name: "CZstd", pkgConfig: "libzstd", providers: [.apt(["libzstd-dev"])]),

        // Pure cores: values in, values out.
        library("Cryptography", ["CSodium", "COpenSSL"]),
        library("TransparencyLog", ["Cryptography"]),
        library("Records", ["Cryptography"]),
        library("Sealing", ["Cryptography", "Records"]),
        library(
            "Reconciliation", ["TransparencyLog", "Cryptography", protobuf], exclude: ["Protocol/entente.proto"]),

        // Thin shells: database, sockets, files, processes.
        library("LogStore", ["TransparencyLog", "Cryptography", "Records", "CZstd", grdb]),
        library("MutualTLS", ["COpenSSL"] + nio),
        // Reads the events of the YAML parser in Yams, CYaml.
        library("Interchange", ["Records", yams]),
        library("Home", ["Cryptography", "TransparencyLog", "Records", "Sealing", yams]),
        library(
            "NodeService",
            [
                "Cryptography", "TransparencyLog", "Records", "Sealing", "Reconciliation", "LogStore", "MutualTLS",
                "Interchange", "Home", logging,
            ] + nio),
        library(
            "WebService",
            ["Cryptography", "TransparencyLog", "MutualTLS", "Home", "NodeService", http, logging] + nio),
        library(
            "Commands",
            [
                "Cryptography", "TransparencyLog", "Records", "Sealing", "Reconciliation", "LogStore", "MutualTLS",
                "Interchange", "Home", "NodeService", "WebService", argumentParser, logging,
            ]),
        .executableTarget(name: "entente", dependencies: ["Commands"], swiftSettings: strict),

        tests("CryptographyTests", ["Cryptography"]),
        tests("TransparencyLogTests", ["TransparencyLog", "Cryptography"]),
        tests("RecordsTests", ["Records", "Cryptography"]),
        tests("SealingTests", ["Sealing", "Records", "Cryptography"]),
        tests(
            "ReconciliationTests",
            ["Reconciliation", "TransparencyLog", "Cryptography", "LogStore", "CZstd", protobuf]),
        tests("LogStoreTests", ["LogStore", "TransparencyLog", "Cryptography", "Records", "CZstd", grdb]),
        tests(
            "MutualTLSTests",
            ["MutualTLS", "COpenSSL", .product(name: "NIOEmbedded", package: "swift-nio")] + nio),
        tests("InterchangeTests", ["Interchange", "Records"]),
        tests("HomeTests", ["Home", "Cryptography", "TransparencyLog", "Records", "Sealing"]),
        tests(
            "NodeServiceTests",
            [
                "NodeService", "LogStore", "Reconciliation", "TransparencyLog", "Cryptography", "Records", "MutualTLS",
                "Sealing", "Home", logging,
            ] + nio),
        tests(
            "WebServiceTests",
            ["WebService", "TransparencyLog", "Cryptography", "LogStore", "MutualTLS", "NodeService", logging] + nio),
        tests(
            "CommandsTests",
            ["entente", "NodeService", "LogStore", "Home", "Records", "Sealing", "TransparencyLog", "Cryptography"],
            exclude: ["Independent"]),
    ]
)
