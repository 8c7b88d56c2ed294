import Exports

extension GatewayClient {
    /// How often the record of a delivery is asked for: it ends after its last byte was sent, which may be after that came here.
    private static let inquiries = 7

    /// What the gateway's own record says of a download that came here to its end.
    func delivery(
        of export: String,
        _ requestID: String,
        bytes: Int64,
        sha256: String
    ) async throws -> DeliveryVerdict {
        var pause: Duration = .milliseconds(50)
        for _ in 0..<Self.inquiries {
            let rows: GatewayPage
            do {
                rows = try await deliveries(of: export, requestID: requestID)
            } catch is GatewayClientError {
                // Who may download need not be allowed to read, and a gateway that cannot be asked says nothing of the file.
                return .unknown
            }
            let verdict = DeliveryVerdict(rows: rows.value, bytes: bytes, sha256: sha256)
            guard verdict == .underWay else { return verdict }
            try await time.sleep(for: pause)
            pause *= 2
        }
        return .underWay
    }
}
