public import NIOCore

extension SocketAddress {
    /// Whether the address belongs to the public internet: it can be reached from everywhere, and it is no one's inner network, no
    /// loopback and no multicast. An IPv4 address in IPv6 form (`::ffff:10.0.0.1`) is that IPv4 address.
    ///
    /// Of IPv6, only 2000::/3 is public, where all global unicast addresses are (RFC 4291, 2.4). That leaves out the addresses of
    /// NAT64, because an address in them stands for any IPv4 address.
    public var isPublic: Bool {
        !Self.notPublic.contains { $0.contains(self) } && Self.unicast.contains { $0.contains(self) }
    }

    private static let unicast = ranges(["0.0.0.0/1", "128.0.0.0/1", "2000::/3"])

    /// What is not global in the registries of special addresses (https://www.iana.org/assignments/iana-ipv4-special-registry,
    /// https://www.iana.org/assignments/iana-ipv6-special-registry), what leads to another address, and multicast.
    private static let notPublic = ranges([
        "0.0.0.0/8",  // this network
        "10.0.0.0/8",  // private
        "100.64.0.0/10",  // shared, behind NAT of a carrier
        "127.0.0.0/8",  // loopback
        "169.254.0.0/16",  // link-local, with the metadata of clouds
        "172.16.0.0/12",  // private
        "192.0.0.0/24",  // protocol assignments
        "192.0.2.0/24",  // documentation
        "192.88.99.0/24",  // relays of 6to4
        "192.168.0.0/16",  // private
        "198.18.0.0/15",  // benchmarks
        "198.51.100.0/24",  // documentation
        "203.0.113.0/24",  // documentation
        "224.0.0.0/4",  // multicast
        "240.0.0.0/4",  // reserved, with broadcast
        "168.63.129.16/32",  // the platform of Azure: its DNS, DHCP and health probes, for virtual machines only
        "2001::/23",  // protocol assignments, with Teredo and ORCHID
        "2001:db8::/32",  // documentation
        "2002::/16",  // 6to4: stands for an IPv4 address
        "3fff::/20",  // documentation
    ])

    private static func ranges(_ texts: [String]) -> [IPRange] {
        texts.map { text in
            do throws(IPRange.Fault) {
                return try IPRange(text)
            } catch {
                preconditionFailure("\(text) \(error)")
            }
        }
    }
}
