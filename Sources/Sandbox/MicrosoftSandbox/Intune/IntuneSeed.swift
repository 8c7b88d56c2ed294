import JSON

extension SandboxSeed {
    /// An Intune report without a required filter.
    public static let intuneReport = "DeviceCompliance"
}

extension IntuneService {
    static let sample: SandboxSample? = SandboxSample(
        provider: name,
        connection: "devices",
        hosts: { ["blobHosts": $0.blob] },
        body: [
            "provider": .string(name), "name": "Device compliance",
            "intune": [
                "reportName": .string(SandboxSeed.intuneReport),
                "select": ["DeviceId", "DeviceName", "ComplianceState"],
            ],
        ]
    )
}
