import Exports
import Hummingbird
import JSON
import SystemCrypto

/// What the tenant knows of the application, and what it signs: certificates, federated credentials, issuers' keys,
/// signing keys, and tokens for the application itself.
extension ControlPlane {
    func read(_ name: String) -> Response {
        switch name {
        case "certificates":
            return .json(.ok, ["values": .array(world.registration.certificates.map(\.json))])
        case "federated-credentials":
            return .json(.ok, ["values": .array(world.registration.federatedCredentials.map(\.json))])
        default: return Response(status: .notFound)
        }
    }

    func remove(_ name: String) -> Response {
        switch name {
        case "certificates": world.registration.removeCertificates()
        case "federated-credentials": world.registration.removeFederatedCredentials()
        case "refresh-tokens": world.tokens.revokeRefreshTokens()
        default: return Response(status: .notFound)
        }
        return Response(status: .noContent)
    }

    /// - Parameter authority: the login host as the caller should see it.
    func create(_ name: String, _ body: JSONValue, authority: String) -> Response {
        switch name {
        case "certificates": return addCertificate(body)
        case "federated-credentials": return addFederatedCredential(body)
        case "issuer-keys": return setIssuerKeys(body)
        case "signing-keys": return rotateKeys(body)
        case "tokens": return mint(body, authority: authority)
        default: return Response(status: .notFound)
        }
    }

    /// `{"pem": text}` or `{"der": base 64}`: the application may sign with its key from now on.
    private func addCertificate(_ body: JSONValue) -> Response {
        var reader = ObjectReader(body)
        let pem = reader.string("pem", length: 1...65_536)
        let der = reader.string("der", length: 1...65_536)
        reader.finish()
        let bytes = pem.map { Array($0.utf8) } ?? der.flatMap(Base64Text.decode)
        let certificate = bytes.flatMap { Certificate(pemOrDER: $0) }
        if reader.faults.isEmpty, certificate == nil {
            reader.fault(der == nil ? "pem" : "der", "must hold an X.509 certificate")
        }
        guard let certificate, reader.faults.isEmpty else { return refusal(reader.faults) }
        world.registration.register(certificate)
        return .json(.created, certificate.json)
    }

    /// `{"issuer", "subject", "audience"?, "keys"?: [JWK]}`.
    private func addFederatedCredential(_ body: JSONValue) -> Response {
        var reader = ObjectReader(body)
        let issuer = reader.requiredString("issuer")
        let subject = reader.requiredString("subject")
        let audience = reader.string("audience") ?? "api://AzureADTokenExchange"
        let keys = reader.has("keys") ? reader.keys() : nil
        reader.finish()
        guard let issuer, let subject, reader.faults.isEmpty else { return refusal(reader.faults) }
        world.registration.register(
            ApplicationRegistration.FederatedCredential(issuer: issuer, subject: subject, audience: audience)
        )
        if let keys { world.registration.setKeys(keys, of: issuer) }
        return Response(status: .noContent)
    }

    /// `{"issuer", "keys": [JWK]}`: in place of those that the issuer had.
    private func setIssuerKeys(_ body: JSONValue) -> Response {
        var reader = ObjectReader(body)
        let issuer = reader.requiredString("issuer")
        let keys = reader.keys()
        reader.finish()
        guard let issuer, reader.faults.isEmpty else { return refusal(reader.faults) }
        world.registration.setKeys(keys, of: issuer)
        return Response(status: .noContent)
    }

    /// `{"withdrawOthers"?: true}`: a new key signs from now on.
    private func rotateKeys(_ body: JSONValue) -> Response {
        var reader = ObjectReader(body)
        let withdraws = reader.bool("withdrawOthers") ?? false
        reader.finish()
        guard reader.faults.isEmpty else { return refusal(reader.faults) }
        guard let key = try? world.signingKeys.rotate(withdrawingOthers: withdraws) else {
            return Response(status: .internalServerError)
        }
        return .json(.created, ["kid": .string(key.id)])
    }

    /// A token as `TokenMint` describes.
    private func mint(_ body: JSONValue, authority: String) -> Response {
        switch TokenMint.parse(body) {
        case .failure(let problem): return refusal(problem.faults)
        case .success(let mint):
            guard let token = try? mint.token(world: world, authority: authority) else {
                return Response(status: .internalServerError)
            }
            return .json(.created, token)
        }
    }
}

extension ObjectReader {
    /// `keys`: RSA keys in their JSON form, by their `kid`.
    fileprivate mutating func keys() -> [String: PublicKey] {
        if !has("keys") { fault("keys", "is required") }
        var keys: [String: PublicKey] = [:]
        for (index, element) in (array("keys") ?? []).enumerated() {
            guard let id = element.value["kid"]?.string, let key = PublicKey(jwk: element.value) else {
                fault("keys", "has no RSA key with kid, n and e at place \(index)")
                continue
            }
            keys[id] = key
        }
        return keys
    }
}

extension Certificate {
    fileprivate var json: JSONValue {
        [
            "subject": .string(subject), "sha1": .string(Hexadecimal.encode(sha1)),
            "sha256": .string(Hexadecimal.encode(sha256)),
        ]
    }
}

extension ApplicationRegistration.FederatedCredential {
    fileprivate var json: JSONValue {
        ["issuer": .string(issuer), "subject": .string(subject), "audience": .string(audience)]
    }
}
