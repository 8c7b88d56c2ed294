extension EntraFailure {
    /// What to change, and where: one or two sentences for the reader of the error.
    static func hint(_ number: Int64?, _ code: String) -> String {
        // 700023 has two meanings. For a scope without a resource, the code is `invalid_scope`.
        if code == "invalid_scope" { return scopeHint }
        return number.flatMap { hints[$0] } ?? "See upstream for Entra ID's own message."
    }

    private static let scopeHint = "The scope is not valid; for an application it ends in /.default."
    private static let absentService =
        "The service is not present in this tenant; an administrator must add its service principal."
    private static let disabledApplication = "The application is disabled in this tenant."
    private static let secondFactor =
        "The user has to sign in with a second factor, and to send the token that this gives."
    private static let unassigned =
        "The service gives tokens only to applications that are assigned to it: see \"Assignment required\" of its enterprise application."
    private static let unusedToken = "The refresh token had not been used for too long."

    /// By number (`Upstream-EntraID, Errors`). For hints only: Microsoft says that
    /// numbers change.
    private static let hints: [Int64: String] = [
        // The application and its credential.
        7_000_215: "The client secret is wrong; often its id was configured in place of its value.",
        7_000_222: "The client secret has expired.",
        7_000_218: "No credential was sent, or none that the application may use.",
        700_016: "The client id is not known in this tenant.",
        70_001: disabledApplication,
        7_000_112: disabledApplication,
        700_011: "The application was not found in this tenant.",
        700_025: "The application is a public client, which has no credential.",
        700_027: "The certificate is not registered with the application, or has expired there.",
        700_030:
            "The application does not trust the certificate's subject name: see its trusted subject names and sendChain.",
        50_012: "The assertion's signature does not match the certificate that is registered.",
        700_021:
            "The assertion is not for the application in clientId: the certificate, or the token in tokenFile, has to belong to that application.",
        700_023:
            "The assertion was made for another address than the one that Entra ID expects: see the connection's authority, cloud and tenantId.",
        700_024:
            "The assertion is not valid now: check this machine's clock, and whether the federated token has expired.",
        50_027:
            "What was sent as a token does not have the form of a token: see tokenFile, or the token in Upstream-Authorization.",
        900_144: "Entra ID did not get the parameter that upstream names: check whether a proxy changes requests.",
        // Federation.
        70_021: "No federated credential of the application has this issuer, subject and audience, letter for letter.",
        700_211: "No federated credential of the application has this issuer, letter for letter.",
        700_212: "No federated credential of the application has this audience, letter for letter.",
        700_213: "No federated credential of the application has this subject, letter for letter.",
        90_061: "Entra ID cannot read the OpenID configuration of the federated token's issuer.",
        // The tenant, the service and the scope.
        90_002: "The tenant does not exist.",
        9_001_023:
            "The connection's tenantId has to be the tenant's id or one of its domains, not a word such as common.",
        70_011: scopeHint,
        1_002_012: scopeHint,
        500_011: absentService,
        50_001: absentService,
        650_052: "The tenant has no subscription to the service, or its service principal is missing.",
        50_105: unassigned,
        501_051: unassigned,
        53_003: "A Conditional Access policy forbids it: the sign-in log in Entra ID names the policy.",
        // The user and the user's token.
        50_013:
            "Entra ID did not issue this token for this tenant: it may come from another tenant than the one in tenantId.",
        500_131:
            "The token is for another application: callers have to ask for one with a scope of the application that clientId names.",
        500_133: "The token has expired.",
        7_000_114:
            "Only a user's token can be exchanged: applications need a connection that has its own credential, without onBehalfOf.",
        50_057: "The user's account is disabled.",
        50_076: secondFactor,
        50_079: secondFactor,
        50_173: "The user, or an administrator, has revoked what was granted.",
        70_000: "The refresh token is not valid.",
        70_008: unusedToken,
        700_082: unusedToken,
        70_043: "A Conditional Access policy requires users to sign in more often.",
    ]
}
