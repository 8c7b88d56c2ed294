import JSON

extension SandboxSeed {
    /// The eDiscovery case, the same in both dialects.
    public static let caseID = "b0073e4e-4184-41c6-9eb7-8c8cc3e2288b"
    /// Its review set.
    public static let reviewSetID = "ac6dd8b7-4f5f-4f3f-9d3a-6e1c0f1a2b3c"
    /// A saved query of the review set.
    public static let reviewSetQueryID = "3c2f7a55-91d4-4b0e-8a67-2f1d9c4e5b6a"
    /// A search of the case, already estimated.
    public static let searchID = "5d5b8f2e-9a53-4a2f-8d0c-0e9c3f6a7b8d"

    /// The application id of MicrosoftPurviewEDiscovery, the resource of download tokens
    /// (`Upstream-GraphEDiscovery, Download`).
    public static let purviewApplicationID = "b26e684c-5068-4120-a679-64a5d2c909d9"
}

extension GraphEDiscoveryService {
    static let sample: SandboxSample? = SandboxSample(
        provider: name,
        connection: "purview",
        hosts: { ["proxyHosts": $0.proxy, "blobHosts": $0.blob] },
        body: [
            "provider": .string(name), "name": "Contoso investigation",
            "graphEDiscovery": [
                "caseId": .string(SandboxSeed.caseID), "reviewSetId": .string(SandboxSeed.reviewSetID),
                "outputName": "Contoso investigation", "exportOptions": "originalFiles,tags",
                "exportStructure": "pst",
            ],
        ]
    )
}
