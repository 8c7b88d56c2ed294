import ScriptedHost

@testable import VivaGoals

let recordings = Recordings(.module)

let organizationID = "94a356ab-53d5-40e7-8a85-053d6d3b9eb3"
let viewID = "e5e7a3c1-8cdf-409d-9ce9-ff730d65d95e"
let viewAddress = "https://goals.microsoft.com/org_uuid/\(organizationID)/objective-explorer?viewId=\(viewID)"
