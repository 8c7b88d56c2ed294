"""kubectl builds Deploy/kubernetes, and what it builds is what Kubernetes takes."""

import subprocess

import jsonschema
import kubernetes_validate
import pytest
import yaml

import evidence
from kustomize import built, of_kind
from manifests import KUBERNETES, Overlay

#: The oldest Kubernetes that the article claims (`preStop.sleep` is on by default since then), and the newest that is known.
VERSIONS = ("1.30", kubernetes_validate.latest_version())
COMPONENTS = sorted(path.parent.name for path in KUBERNETES.glob("components/*/kustomization.yaml"))
#: The overlays, each as it is, and with each component that is for it.
BUILDS = [
    (overlay, *component)
    for overlay in Overlay.NAMES
    for component in [(), *((name,) for name in COMPONENTS)]
    if (overlay, *component) != ("sqlite", "autoscaling")
]

#: What the operator's objects have to be: its schemas are not part of Kubernetes'.
#: https://prometheus-operator.dev/docs/api-reference/api/
LABELS = {"type": "object", "additionalProperties": {"type": "string"}}
DURATION = {"type": "string", "pattern": "^([0-9]+(ms|s|m|h))+$"}
SERVICE_MONITOR = {
    "type": "object",
    "required": ["selector", "endpoints"],
    "additionalProperties": False,
    "properties": {
        "jobLabel": {"type": "string"},
        "selector": {
            "type": "object",
            "required": ["matchLabels"],
            "additionalProperties": False,
            "properties": {"matchLabels": LABELS},
        },
        "endpoints": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "required": ["port"],
                "additionalProperties": False,
                "properties": {
                    "port": {"type": "string"},
                    "path": {"type": "string"},
                    "interval": DURATION,
                    "scrapeTimeout": DURATION,
                },
            },
        },
    },
}
RULE = {
    "type": "object",
    "required": ["alert", "expr"],
    "additionalProperties": False,
    "properties": {
        "alert": {"type": "string"},
        "expr": {"type": "string"},
        "for": DURATION,
        "labels": LABELS,
        "annotations": LABELS,
    },
}
PROMETHEUS_RULE = {
    "type": "object",
    "required": ["groups"],
    "additionalProperties": False,
    "properties": {
        "groups": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["name", "rules"],
                "additionalProperties": False,
                "properties": {"name": {"type": "string"}, "rules": {"type": "array", "items": RULE}},
            },
        },
    },
}
OPERATORS = {"ServiceMonitor": SERVICE_MONITOR, "PrometheusRule": PROMETHEUS_RULE}


def validate(document: dict, version: str) -> None:
    schema = OPERATORS.get(document["kind"])
    if schema is None:
        kubernetes_validate.validate(document, version, strict=True)
    else:
        assert document["apiVersion"] == "monitoring.coreos.com/v1"
        jsonschema.validate(document["spec"], schema)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("build", BUILDS, ids="+".join)
def test_objects_fit_the_schemas(build, version):
    objects = built(*build)
    assert len(objects) >= 9
    for document in objects:
        validate(document, version)
        if document["kind"] != "Namespace":
            assert document["metadata"]["namespace"] == "export-gateway", document["metadata"]["name"]


def test_the_schemas_find_what_is_wrong():
    (deployment,) = of_kind(built("sqlite"), "Deployment")
    wrong = deployment | {"spec": deployment["spec"] | {"minReadySecond": 1}}
    with pytest.raises(kubernetes_validate.ValidationError, match="minReadySecond"):
        validate(wrong, VERSIONS[0])


@pytest.mark.parametrize("name", Overlay.NAMES)
def test_kubectl_builds_what_the_other_tests_read(name):
    """`Tests/Contract/test_kubernetes.py` has no kubectl, and merges for itself."""
    overlay = Overlay(name)
    objects = built(name)
    (deployment,) = of_kind(objects, "Deployment")
    (configuration,) = of_kind(objects, "ConfigMap")
    spec = deployment["spec"]["template"]["spec"]
    volumes = {volume["name"]: volume for volume in spec["volumes"]}
    # The configuration's name has its digest.
    assert volumes["configuration"]["configMap"]["name"] == configuration["metadata"]["name"] != "export-gateway"
    assert configuration["data"] == {"gateway.yaml": overlay.text}
    volumes["configuration"]["configMap"]["name"] = "export-gateway"
    assert volumes == {volume["name"]: volume for volume in overlay.pod["volumes"]}
    (container,) = spec["containers"]
    assert container.pop("image").startswith("registry.example.com/export-gateway:")
    mounts = container.pop("volumeMounts")
    expected = {name: value for name, value in overlay.container.items() if name not in ("image", "volumeMounts")}
    assert container == expected
    assert {mount["mountPath"]: mount["name"] for mount in mounts} == overlay.mounts
    rest = {name: value for name, value in spec.items() if name not in ("volumes", "containers")}
    assert rest == {name: value for name, value in overlay.pod.items() if name not in ("volumes", "containers")}


def test_components_do_what_they_say():
    def pod(*build: str) -> dict:
        (deployment,) = of_kind(built(*build), "Deployment")
        return deployment["spec"]["template"]

    for overlay in Overlay.NAMES:
        assert pod(overlay, "workload-identity")["metadata"]["labels"]["azure.workload.identity/use"] == "true"
        (account,) = of_kind(built(overlay, "workload-identity"), "ServiceAccount")
        assert "azure.workload.identity/client-id" in account["metadata"]["annotations"]
        spec = pod(overlay, "federated-token")["spec"]
        # Beside what was there, and no token for Kubernetes.
        assert {mount["mountPath"] for mount in spec["containers"][0]["volumeMounts"]} > Overlay(overlay).mounts.keys()
        assert spec["automountServiceAccountToken"] is False
        (volume,) = [volume for volume in spec["volumes"] if "projected" in volume]
        (source,) = volume["projected"]["sources"]
        assert source["serviceAccountToken"]["audience"] == "api://AzureADTokenExchange"
    (deployment,) = of_kind(built("postgresql", "autoscaling"), "Deployment")
    assert "replicas" not in deployment["spec"]


def test_the_rules_for_the_operator_are_the_rules():
    folder = evidence.ROOT / "Deploy/monitoring"
    run = subprocess.run([folder / "prometheus-rule", "release=monitoring"], capture_output=True, text=True, check=True)
    document = yaml.safe_load(run.stdout)
    validate(document, VERSIONS[0])
    assert document["metadata"]["labels"]["release"] == "monitoring"
    assert document["spec"] == yaml.safe_load((folder / "alerts.yaml").read_text())
