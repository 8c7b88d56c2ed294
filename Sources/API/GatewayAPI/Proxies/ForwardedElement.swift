import HTTPFields
import NIOCore

/// One element of `Forwarded` (RFC 7239, 4): what one proxy says about the request that it received.
struct ForwardedElement: Hashable {
    /// By lower-case name: `for`, `by`, `host`, `proto`, and whatever else a proxy adds.
    var parameters: [String: String] = [:]

    /// The address in `for`; nil for `unknown`, a made-up name, and none.
    var client: SocketAddress? { parameters["for"].flatMap(Self.address) }

    /// The address in a text that may have a port, with IPv6 in brackets (RFC 7239, 6) or, without a port, as it is.
    static func address(_ node: String) -> SocketAddress? {
        var address = node[...]
        if address.first == "[" {
            guard let end = address.firstIndex(of: "]") else { return nil }
            address = address[address.index(after: address.startIndex)..<end]
        } else if let colon = address.firstIndex(of: ":"), address.lastIndex(of: ":") == colon {
            address = address[..<colon]
        }
        return try? SocketAddress(ipAddress: String(address), port: 0)
    }

    /// The elements of all lines of the field, the first proxy's first. Nil when any of it is malformed.
    ///
    /// It is read as a whole or not at all: an open quotation mark of a client would swallow what a proxy appends.
    static func all(_ lines: [String]) -> [ForwardedElement]? {
        var elements: [ForwardedElement] = []
        for line in lines {
            var scanner = Scanner(bytes: Array(line.utf8)[...])
            guard let found = scanner.elements() else { return nil }
            elements += found
        }
        return elements
    }
}

extension ForwardedElement {
    private struct Scanner {
        var bytes: ArraySlice<UInt8>

        mutating func elements() -> [ForwardedElement]? {
            var elements: [ForwardedElement] = []
            var element = ForwardedElement()
            while true {
                skipSpace()
                if let byte = bytes.first, byte != UInt8(ascii: ";"), byte != UInt8(ascii: ",") {
                    guard let (name, value) = pair(), element.parameters.updateValue(value, forKey: name) == nil else {
                        return nil
                    }
                    skipSpace()
                }
                let separator = bytes.popFirst()
                guard separator != UInt8(ascii: ";") else { continue }
                if !element.parameters.isEmpty { elements.append(element) }
                element = ForwardedElement()
                switch separator {
                case nil: return elements
                case UInt8(ascii: ","): break
                default: return nil
                }
            }
        }

        private mutating func pair() -> (name: String, value: String)? {
            let name = take(while: FieldToken.isPart)
            guard !name.isEmpty, bytes.popFirst() == UInt8(ascii: "=") else { return nil }
            if bytes.first == UInt8(ascii: "\"") {
                return quoted().map { (name.lowercased(), $0) }
            }
            // Accepts more than a token, because some proxies write addresses with ports without the required quotes.
            let value = take { $0 > 0x20 && $0 < 0x7F && !"\",;".utf8.contains($0) }
            return value.isEmpty ? nil : (name.lowercased(), value)
        }

        private mutating func quoted() -> String? {
            bytes.removeFirst()
            var value: [UInt8] = []
            while let byte = bytes.popFirst() {
                switch byte {
                case UInt8(ascii: "\""): return String(validating: value, as: UTF8.self)
                case UInt8(ascii: "\\"):
                    guard let escaped = bytes.popFirst() else { return nil }
                    value.append(escaped)
                default: value.append(byte)
                }
            }
            return nil
        }

        private mutating func skipSpace() { _ = take { $0 == 0x20 || $0 == 0x09 } }

        private mutating func take(while isPart: (UInt8) -> Bool) -> String {
            let taken = bytes.prefix(while: isPart)
            bytes = bytes[taken.endIndex...]
            return String(decoding: taken, as: UTF8.self)
        }
    }
}
