public import NIOCore

/// A range of internet addresses, such as `10.0.0.0/8` (RFC 4632, 3.1) or `2001:db8::/32`, or a single address.
public struct IPRange: Sendable, Hashable, CustomStringConvertible {
    /// Why a text is no range. `description` says how to fix it.
    public enum Fault: Error, Sendable, Hashable, CustomStringConvertible {
        case notAnAddress
        case notAPrefix(longest: Int)
        /// The address has bits behind the prefix; the range that was probably meant.
        case bitsBehindPrefix(String)
        /// `/0`.
        case everybody

        public var description: String {
            switch self {
            case .notAnAddress: "is no IP address with an optional prefix, such as 10.0.0.0/8"
            case .notAPrefix(let longest): "needs a prefix of 1 to \(longest) bits"
            case .bitsBehindPrefix(let range): "has bits behind its prefix; if the whole range is meant, write \(range)"
            case .everybody: "is everybody; name the proxies"
            }
        }
    }

    /// 4 or 16 bytes.
    private let network: [UInt8]
    private let prefix: Int

    /// Reads a range.
    public init(_ text: String) throws(Fault) {
        let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        guard let address = Self.bytes(of: String(parts[0])) else { throw .notAnAddress }
        let longest = address.count * 8
        var prefix = longest
        if parts.count == 2 {
            guard let number = Int(parts[1]), String(number) == parts[1], (0...longest).contains(number) else {
                throw .notAPrefix(longest: longest)
            }
            prefix = number
        }
        guard prefix > 0 else { throw .everybody }
        let network = Self.masked(address, prefix)
        self.network = network
        self.prefix = prefix
        guard network == address else { throw .bitsBehindPrefix(description) }
    }

    /// The network that one subscriber has at least: an IPv4 address alone, and of an IPv6 address its /64, in which one may take any
    /// number of addresses (RFC 4291, 2.5.4). Nil for a text that is no address.
    public init?(networkOf address: String) {
        guard let bytes = Self.bytes(of: address) else { return nil }
        let prefix = bytes.count == 4 ? 32 : 64
        (self.network, self.prefix) = (Self.masked(bytes, prefix), prefix)
    }

    /// Whether the address is in the range. An IPv4 address that an IPv6 socket shows (`::ffff:10.0.0.1`) is that IPv4 address.
    public func contains(_ address: SocketAddress) -> Bool {
        guard let bytes = address.ipBytes, bytes.count == network.count else { return false }
        return Self.masked(bytes, prefix) == network
    }

    public var description: String {
        var address = "?"
        let bytes = ByteBuffer(bytes: network)
        if let packed = try? SocketAddress(packedIPAddress: bytes, port: 0) { address = packed.ipAddress ?? "?" }
        return prefix == network.count * 8 ? address : "\(address)/\(prefix)"
    }

    private static func bytes(of text: String) -> [UInt8]? { (try? SocketAddress(ipAddress: text, port: 0))?.ipBytes }

    private static func masked(_ bytes: [UInt8], _ prefix: Int) -> [UInt8] {
        bytes.enumerated()
            .map { index, byte in
                let bits = min(max(prefix - index * 8, 0), 8)
                return byte & UInt8(truncatingIfNeeded: 0xFF << (8 - bits))
            }
    }
}

extension SocketAddress {
    /// The 4 or 16 bytes of an internet address; nil for another one.
    fileprivate var ipBytes: [UInt8]? {
        // The place of the address in sockaddr_in and in sockaddr_in6.
        let place: Range<Int>
        switch self {
        case .v4: place = 4..<8
        case .v6: place = 8..<24
        case .unixDomainSocket: return nil
        }
        let bytes = withSockAddr { address, size in
            Array(UnsafeRawBufferPointer(start: address, count: size)[place])
        }
        // An IPv4 address in IPv6 form (RFC 4291, 2.5.5.2).
        let isMapped = bytes.count == 16 && bytes.prefix(12) == [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF]
        return isMapped ? Array(bytes.suffix(4)) : bytes
    }
}
