"""What stands in Deploy/ works with these executables."""

import json
import mmap
import os
import re
import subprocess

import yaml

import bodies
import evidence
import servers

DEPLOY = evidence.ROOT / "Deploy"
KEY = "sandbox-key-not-for-production"


def compose() -> dict:
    return yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]


def written_configuration(options: dict[str, str]) -> dict:
    """What compose.yaml has written for the gateway, with these options, and the sandbox on this machine."""
    command = compose()["configuration"]["command"]
    assert command[:3] == ["gateway-configuration", "--public-host", "sandbox"]
    words = [word for name, value in options.items() for word in (f"--{name}", value)]
    run = subprocess.run([servers.SANDBOX, command[0], *words], capture_output=True, text=True, check=True, timeout=30)
    return yaml.safe_load(run.stdout)


def test_the_configuration_for_the_sandbox_serves_every_provider():
    with servers.sandbox(public_host="127.0.0.1") as upstream:
        ports = zip(("port", "proxy-port", "blob-port"), (upstream.api, upstream.proxy, upstream.blob), strict=True)
        configuration = written_configuration({name: address.rpartition(":")[2] for name, address in ports})
        environment = compose()["gateway"]["environment"]
        gateway = servers.Gateway(configuration, environment, KEY)
        try:
            gateway.start()
            providers = {provider["id"] for provider in gateway.get("/providers").json["value"]}
            assert {connection["provider"] for connection in configuration["connections"]} == providers
            for body in (bodies.search_result(), bodies.goals(), bodies.report(), bodies.intune()):
                gateway.succeeded(gateway.create(body))
            gateway.close()
        finally:
            gateway.kill()


def test_compose_starts_what_there_is():
    services = compose()
    command = services["gateway"]["command"]
    assert command == ["serve", "--config", "/etc/export-gateway/gateway.yaml"]
    # One volume has the file that one container writes and the other reads.
    volume, written = services["configuration"]["volumes"][0].split(":")
    assert f"{volume}:/etc/export-gateway:ro" in services["gateway"]["volumes"]
    assert services["configuration"]["command"][-2:] == ["--output", f"{written}/gateway.yaml"]
    assert services["gateway"]["depends_on"]["configuration"]["condition"] == "service_completed_successfully"
    text = (DEPLOY / "Dockerfile").read_text()
    target = services["sandbox"]["build"]["target"]
    assert f"FROM system AS {target}\n" in text
    assert 'ENTRYPOINT ["/usr/local/bin/export-gateway-sandbox"]' in text
    sandbox = services["sandbox"]["command"]
    options = {name.removeprefix("--"): value for name, value in zip(sandbox[1::2], sandbox[2::2], strict=True)}
    assert sandbox[0] == "sandbox" and {options.pop(name) for name in ("port", "proxy-port", "blob-port")} == {
        "8090",
        "8091",
        "8092",
    }
    # The gateway is told the same ports, which are the program's own.
    addresses = {written_configuration({})["connections"][0][key][0] for key in ("proxyHosts", "blobHosts")}
    assert addresses == {"http://127.0.0.1:8091", "http://127.0.0.1:8092"}
    # The same options on free ports of this machine.
    server = servers.Sandbox(options | {"host": "127.0.0.1"})
    server.close()


def test_the_image_knows_whether_it_is_healthy(gateway):
    """The command of its health check, with this executable and this gateway's file in the places of the image's."""
    text = (DEPLOY / "Dockerfile").read_text()
    command = json.loads(re.search(r"^HEALTHCHECK .*\\\n\s+CMD (\[.*\])$", text, re.M)[1])
    places = {
        "/usr/local/bin/export-gateway": str(servers.BINARY),
        "/etc/export-gateway/gateway.yaml": str(gateway.directory / "gateway.yaml"),
    }
    assert set(places) <= set(command)

    def health(**environment) -> int:
        words = [places.get(word, word) for word in command]
        environment = {"PATH": os.environ["PATH"]} | environment
        return subprocess.run(words, env=environment, capture_output=True, timeout=30).returncode

    assert health() == 0
    # A port from the environment counts, as it does for the gateway.
    assert health(EXPORT_GATEWAY_SERVER_PORT=str(servers.free_port())) != 0
    gateway.kill()
    assert health() != 0
    gateway.start()


def test_the_image_has_the_libraries_that_the_executable_needs():
    programs = [str(servers.BINARY), str(servers.SANDBOX)]
    linked = subprocess.run(["ldd", *programs], capture_output=True, text=True, check=True).stdout
    # Not what those libraries need themselves, which Debian's packages bring with them.
    direct = subprocess.run(["readelf", "--dynamic", *programs], capture_output=True, text=True, check=True).stdout
    needed = set(re.findall(r"=> /(?:usr/)?lib/[^/\s]+/(\S+)", linked)) & set(re.findall(r"\(NEEDED\).*\[(.+)\]", direct))
    known = {
        "libc.so.6": "libc6",
        "libm.so.6": "libc6",
        "libgcc_s.so.1": "libgcc-s1",
        "libstdc++.so.6": "libstdc++6",
        "libcrypto.so.3": "libssl3",
        "libssl.so.3": "libssl3",
        "libpq.so.5": "libpq5",
        "libisal.so.2": "libisal2",
        "libsqlite3.so.0": "libsqlite3-0",
        "libz.so.1": "zlib1g",
        "libzstd.so.1": "libzstd1",
    }
    assert needed <= known.keys(), "a library that the image does not have"
    text = (DEPLOY / "Dockerfile").read_text().replace("\\\n", " ")
    installed = set(re.search(r"--no-install-recommends (ca-certificates [^&\n]+)", text)[1].split())
    # The C library and the compiler's come with every Debian.
    wanted = {known[library] for library in needed} - {"libc6", "libgcc-s1"}
    assert wanted | {"ca-certificates"} == installed


def test_the_gateway_has_no_sandbox_in_it():
    """Nothing that stands for Microsoft's services, such as a secret that everybody knows, is where operators run it."""
    with servers.SANDBOX.open("rb") as program, mmap.mmap(program.fileno(), 0, access=mmap.ACCESS_READ) as code:
        assert code.find(bodies.CLIENT_SECRET.encode()) >= 0
    with servers.BINARY.open("rb") as program, mmap.mmap(program.fileno(), 0, access=mmap.ACCESS_READ) as code:
        assert code.find(bodies.CLIENT_SECRET.encode()) < 0
