/// The fixed data of every sandbox: one tenant, one application, one case, one goals organisation, one workspace. The ids and
/// secrets are public, and valid only in a sandbox.
public enum SandboxSeed {
    /// The only tenant.
    public static let tenantID = "11111111-1111-1111-1111-111111111111"
    /// The only application registration.
    public static let clientID = "22222222-2222-2222-2222-222222222222"
    /// Its secret.
    public static let clientSecret = "sandbox-client-secret-0f3c9a"
    /// A secret of its that has expired.
    public static let expiredClientSecret = "sandbox-expired-secret-51be"
    /// A signed-in user's Graph token with `Goals-Export.ReadWrite.All`, valid while the sandbox runs: Goals takes no
    /// application tokens (`Upstream-VivaGoals, Calls`).
    public static let delegatedToken = "sandbox-delegated-goals-token-7b1e"

    /// The managed identity of the machine, for IMDS and App Service.
    public static let managedIdentityClientID = "33333333-aaaa-4bbb-8ccc-dddddddddddd"
    /// Its service principal.
    public static let managedIdentityObjectID = "33333333-bbbb-4ccc-8ddd-eeeeeeeeeeee"
    /// Its resource in Azure.
    public static let managedIdentityResourceID =
        "/subscriptions/44444444-aaaa-4bbb-8ccc-dddddddddddd/resourceGroups/sandbox"
        + "/providers/Microsoft.ManagedIdentity/userAssignedIdentities/sandbox"
    /// What App Service hands its applications in `IDENTITY_HEADER`.
    public static let identityHeader = "sandbox-identity-header-4d2e"

    /// The user in whose name minted tokens speak.
    public static let userID = "0d38933a-0bbd-41ca-9ebd-28c4b5ba7cb7"
    /// The application that brings minted tokens.
    public static let callerClientID = "55555555-aaaa-4bbb-8ccc-dddddddddddd"
    /// Its service principal: who speaks in minted tokens without a user.
    public static let callerObjectID = "55555555-bbbb-4ccc-8ddd-eeeeeeeeeeee"

    /// The eDiscovery case, the same in both dialects.
    public static let caseID = "b0073e4e-4184-41c6-9eb7-8c8cc3e2288b"
    /// Its review set.
    public static let reviewSetID = "ac6dd8b7-4f5f-4f3f-9d3a-6e1c0f1a2b3c"
    /// A saved query of the review set.
    public static let reviewSetQueryID = "3c2f7a55-91d4-4b0e-8a67-2f1d9c4e5b6a"
    /// A search of the case, already estimated.
    public static let searchID = "5d5b8f2e-9a53-4a2f-8d0c-0e9c3f6a7b8d"

    /// The Viva Goals organisation.
    public static let goalsOrganizationID = "94a356ab-53d5-40e7-8a85-053d6d3b9eb3"
    /// A view of it; every other GUID is a view of it too.
    public static let explorerViewID = "e5e7a3c1-8cdf-409d-9ce9-ff730d65d95e"

    /// The Power BI workspace, on a dedicated capacity. Its reports also stand in My workspace.
    public static let groupID = "f089354e-8366-4e18-aea3-4cb4a3a50b48"
    /// The Power BI report "SalesMarketing", with the pages `ReportSection` and `ReportSection1`.
    public static let powerBIReportID = "5b218778-e7a5-4d73-8187-f10824047715"
    /// The paginated report "Quarterly Ledger".
    public static let paginatedReportID = "c0ffee00-2222-4333-8444-555566667777"

    /// An Intune report without a required filter.
    public static let intuneReport = "DeviceCompliance"

    /// The application id of MicrosoftPurviewEDiscovery, the resource of download tokens
    /// (`Upstream-GraphEDiscovery, Download`).
    public static let purviewApplicationID = "b26e684c-5068-4120-a679-64a5d2c909d9"

    static let capacityID = "0f084df7-c13d-451b-af5f-ed0c466403b2"
    static let datasetID = "cfafbeb1-8037-4d0c-896e-a46fb27ff229"
}
