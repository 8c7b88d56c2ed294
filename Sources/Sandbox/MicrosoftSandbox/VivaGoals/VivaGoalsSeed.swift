import JSON

extension SandboxSeed {
    /// A signed-in user's Graph token with `Goals-Export.ReadWrite.All`, valid while the sandbox runs: Goals takes no
    /// application tokens (`Upstream-VivaGoals, Calls`).
    public static let delegatedToken = "sandbox-delegated-goals-token-7b1e"

    /// The Viva Goals organisation.
    public static let goalsOrganizationID = "94a356ab-53d5-40e7-8a85-053d6d3b9eb3"
    /// A view of it; every other GUID is a view of it too.
    public static let explorerViewID = "e5e7a3c1-8cdf-409d-9ce9-ff730d65d95e"
}

extension VivaGoalsService {
    static let sample: SandboxSample? = SandboxSample(
        provider: name,
        connection: "goals",
        userToken: SandboxSeed.delegatedToken,
        body: [
            "provider": .string(name), "name": "Objectives",
            "vivaGoals": [
                "goalsOrganizationId": .string(SandboxSeed.goalsOrganizationID),
                "explorerViewId": .string(SandboxSeed.explorerViewID),
            ],
        ]
    )
}
