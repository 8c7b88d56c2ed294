/// The fixed, public inhabitants of every sandbox: one tenant, one application, and what each service's folder adds. None of it
/// means anything anywhere else.
public enum SandboxSeed {
    /// The only tenant.
    public static let tenantID = "11111111-1111-1111-1111-111111111111"
    /// The only application registration.
    public static let clientID = "22222222-2222-2222-2222-222222222222"
    /// Its secret.
    public static let clientSecret = "sandbox-client-secret-0f3c9a"
    /// A secret of its that has expired.
    public static let expiredClientSecret = "sandbox-expired-secret-51be"

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
}
