import Exports
import JSON
import SystemCrypto

/// The body of `POST /exports`. The members that every provider shares are read here; the options object is passed on.
struct CreateBody: Sendable {
    var provider: ProviderID
    var connection: String?
    var name: String?
    var options: JSONValue
    private let document: JSONValue

    /// SHA-256 of the body in normal form, in hexadecimal: equal for requests that differ in spelling only.
    var fingerprint: String { Hexadecimal.encode(SHA256.hash(document.encodedBytes())) }

    /// Reads a body.
    ///
    /// Throws `malformedRequest` for what is not JSON, and `invalidExport` with every fault of the part read here.
    init(_ bytes: [UInt8], providers: [ConfiguredProvider]) throws(GatewayError) {
        document = try JSONParser.document(bytes)
        let descriptors = providers.map(\.descriptor)
        var reader = ObjectReader(document)
        let wanted = reader.requiredChoice("provider", among: descriptors.map(\.id.rawValue))
        let descriptor = descriptors.first { $0.id.rawValue == wanted }
        let connection = reader.string("connection", length: 1...64)
        let name = Self.name(&reader)
        let options = Self.options(&reader, of: descriptor, among: descriptors)
        reader.finish()
        guard reader.faults.isEmpty, let descriptor, let options else {
            throw GatewayError(
                .invalidExport,
                "The body is not a valid create request: see errors.",
                faults: reader.faults
            )
        }
        provider = descriptor.id
        self.connection = connection
        self.name = name
        self.options = options
    }

    /// A name is one line: it is shown in tables and becomes part of file names.
    private static func name(_ reader: inout ObjectReader) -> String? {
        guard let name = reader.string("name", length: 1...256) else { return nil }
        if name.unicodeScalars.contains(where: \.isControl) {
            reader.fault("name", "must not hold control characters")
            return nil
        }
        return name
    }

    /// The one options object, which must be the provider's own.
    private static func options(
        _ reader: inout ObjectReader,
        of descriptor: ProviderDescriptor?,
        among descriptors: [ProviderDescriptor]
    ) -> JSONValue? {
        var found: [(descriptor: ProviderDescriptor, value: JSONValue)] = []
        var present: [String] = []
        for candidate in descriptors {
            if reader.has(candidate.optionsMember) { present.append(candidate.optionsMember) }
            if let value = reader.value(candidate.optionsMember) { found.append((candidate, value)) }
        }
        if present.count > 1 {
            let members = descriptors.map(\.optionsMember).joined(separator: ", ")
            for member in present.dropFirst() {
                reader.fault(member, "stands beside \(present[0]); give exactly one of \(members)")
            }
            return nil
        }
        guard let descriptor else { return nil }
        guard let only = found.first else {
            if present.isEmpty { reader.fault(descriptor.optionsMember, "is required for provider \(descriptor.id)") }
            return nil
        }
        guard only.descriptor.optionsMember == descriptor.optionsMember else {
            reader.fault(
                only.descriptor.optionsMember,
                "belongs to provider \(only.descriptor.id); provider \(descriptor.id) needs \(descriptor.optionsMember)"
            )
            return nil
        }
        guard case .object = only.value else {
            reader.fault(descriptor.optionsMember, "must be an object")
            return nil
        }
        return only.value
    }
}
