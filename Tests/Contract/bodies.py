"""Create bodies for every kind of export that the sandbox knows. Its inhabitants are fixed and public."""

import uuid

CASE = "b0073e4e-4184-41c6-9eb7-8c8cc3e2288b"
REVIEW_SET = "ac6dd8b7-4f5f-4f3f-9d3a-6e1c0f1a2b3c"
SEARCH = "5d5b8f2e-9a53-4a2f-8d0c-0e9c3f6a7b8d"
ORGANIZATION = "94a356ab-53d5-40e7-8a85-053d6d3b9eb3"
VIEW = "e5e7a3c1-8cdf-409d-9ce9-ff730d65d95e"
GROUP = "f089354e-8366-4e18-aea3-4cb4a3a50b48"
REPORT = "5b218778-e7a5-4d73-8187-f10824047715"
PAGINATED_REPORT = "c0ffee00-2222-4333-8444-555566667777"

TENANT = "11111111-1111-1111-1111-111111111111"
CLIENT = "22222222-2222-2222-2222-222222222222"
CLIENT_SECRET = "sandbox-client-secret-0f3c9a"
EXPIRED_SECRET = "sandbox-expired-secret-51be"
IDENTITY_HEADER = "sandbox-identity-header-4d2e"
GOALS_TOKEN = "sandbox-delegated-goals-token-7b1e"

# A caller of Viva Goals brings its own token.
GOALS_CALLER = {"Upstream-Authorization": f"Bearer {GOALS_TOKEN}"}


def search_result(name="Search result", connection="purview"):
    """Graph eDiscovery, present dialect: the items of a search, as PST."""
    options = {
        "caseId": CASE,
        "searchId": SEARCH,
        "exportType": "exportResult",
        "displayName": name,
        "exportCriteria": "searchHits",
        "additionalOptions": "includeReport",
        "exportFormat": "pst",
    }
    return {"provider": "graph-ediscovery", "connection": connection, "name": name, "graphEDiscovery": options}


def review_set(name="Review set", connection="purview"):
    """Graph eDiscovery, either dialect: a review set."""
    options = {"caseId": CASE, "reviewSetId": REVIEW_SET, "outputName": name, "exportStructure": "none"}
    return {"provider": "graph-ediscovery", "connection": connection, "name": name, "graphEDiscovery": options}


def goals(name="Goals view", view=None):
    """Viva Goals: a view. It runs one export of a view at a time, so each call takes another view by default."""
    options = {"goalsOrganizationId": ORGANIZATION, "explorerViewId": view or str(uuid.uuid4())}
    return {"provider": "viva-goals", "name": name, "vivaGoals": options}


def report(name="Report", **options):
    """Power BI: a report as PDF."""
    return {
        "provider": "power-bi",
        "name": name,
        "powerBI": {"groupId": GROUP, "reportId": REPORT, "format": "PDF"} | options,
    }


def paginated_csv(name="Ledger"):
    """Power BI: a paginated report as CSV, which gains by gzip."""
    return report(name, reportId=PAGINATED_REPORT, format="CSV", reportType="PaginatedReport")


def intune(name="Devices", **options):
    """Intune: a report as CSV, in a zip."""
    return {"provider": "intune", "name": name, "intune": {"reportName": "DeviceCompliance"} | options}


def headers_for(body: dict) -> dict[str, str]:
    """What a caller of this export has to send besides."""
    return dict(GOALS_CALLER) if body["provider"] == "viva-goals" else {}
