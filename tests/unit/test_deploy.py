"""``deploy/`` says what is true of the service, and gives a container no more than it needs."""

import ast
import json
import re
import subprocess
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from sqlalchemy import make_url

from app.main import create_app
from app.settings import PREFIX, PROJECT, USUAL_ANSWERS, Settings
from cli.commands import load_command
from countersign import __version__

DEPLOY = PROJECT / "deploy"
DOCKERFILE = (DEPLOY / "Dockerfile").read_text("utf-8").replace("\\\n", " ")
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose/compose.yaml").read_text("utf-8"))
MANIFESTS: list[dict[str, Any]] = [
    manifest
    for path in sorted((DEPLOY / "kubernetes").glob("*.yaml"))
    for manifest in yaml.safe_load_all(path.read_text("utf-8"))
]
PORT = Settings.model_fields["port"].default
PODS = {
    manifest["metadata"]["name"]: manifest["spec"]["template"]
    for manifest in MANIFESTS
    if manifest["kind"] in ("Deployment", "Job")
}


def instructions(name: str) -> list[str]:
    """The arguments of each such instruction of the Dockerfile."""
    return re.findall(rf"^{name}\s+(.+)$", DOCKERFILE, re.M)


def is_setting(variable: str) -> bool:
    return variable.removeprefix(PREFIX).lower() in Settings.model_fields


def open_paths() -> set[str]:
    """Addresses of the service that ask nobody who they are."""
    return {path for path in create_app(Settings()).openapi()["paths"] if "/v1" not in path}


def check_command(arguments: list[str]) -> None:
    """Raises unless ``countersign`` takes these arguments."""
    command: Any = load_command(arguments[0])
    command.make_context(arguments[0], list(arguments[1:]))


def pinned(image: str) -> bool:
    return bool(re.fullmatch(r"[a-z/]+:\d+(\.\d+)+(-[a-z-]+)?", image))


# What the makers of these formats say


def test_hadolint_finds_nothing_in_the_dockerfile() -> None:
    found = hadolint(DEPLOY / "Dockerfile")
    assert (found.returncode, found.stdout) == (0, "")


def test_hadolint_would_find_something(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM python\nRUN cd /tmp\n", "utf-8")
    assert "DL3006" in hadolint(tmp_path / "Dockerfile").stdout


def hadolint(path: Path) -> subprocess.CompletedProcess[str]:
    program = Path(sysconfig.get_path("scripts")) / "hadolint"
    return subprocess.run([program, path], capture_output=True, text=True, timeout=240, check=False)


@pytest.mark.parametrize("version", ["1.29", "1.37"])
def test_the_manifests_meet_the_schemas_of_kubernetes(version: str) -> None:
    for manifest in MANIFESTS:
        kubernetes_validate.validate(manifest, version, strict=True)
    wrong = {**MANIFESTS[0], "spec": {"replica": 2}}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, version, strict=True)


# The image


def test_the_image_is_built_from_pinned_bases_and_the_wheel() -> None:
    bases = [base.split()[0] for base in instructions("FROM")]
    assert bases and all(map(pinned, bases)), bases
    copied = instructions("COPY")
    assert any("*.whl" in source for source in copied)
    assert not any(re.match(r"(--\S+ )?\. ", source) for source in copied), "not the whole folder"
    assert instructions("ADD") == []
    assert "constraints.txt" in DOCKERFILE
    ignored = (DEPLOY / "Dockerfile.dockerignore").read_text("utf-8").split()
    assert ignored[0] == "*", "nothing but what is named is sent to the builder"


def test_the_image_runs_without_rights() -> None:
    assert instructions("USER") == ["10001:10001"]
    after = DOCKERFILE.partition("\nUSER ")[2]
    assert "RUN" not in after, "nothing is changed after rights were given up"
    assert instructions("VOLUME") == ['["/data"]']


def test_the_image_serves_where_it_says() -> None:
    assert instructions("EXPOSE") == [str(PORT)]
    variables = dict(re.findall(r"(\w+)=(\S+)", " ".join(instructions("ENV"))))
    ours = {name for name in variables if name.startswith(PREFIX)}
    assert ours and all(map(is_setting, ours))
    assert variables["COUNTERSIGN_PORT"] == str(PORT)
    assert variables["COUNTERSIGN_DATA_DIR"] == "/data"
    (health,) = instructions("HEALTHCHECK")
    (path,) = re.findall(rf"127\.0\.0\.1:{PORT}(/\w+)", health)
    assert path in open_paths()
    assert json.loads(instructions("ENTRYPOINT")[0]) == ["countersign"]
    check_command(json.loads(instructions("CMD")[-1]))


# Compose


def test_compose_runs_what_there_is() -> None:
    for service in COMPOSE["services"].values():
        assert pinned(service["image"])
        for variable in service["environment"]:
            assert is_setting(variable) or variable.startswith(("POSTGRES_", "PGPASSWORD"))
        if "countersign" in service["image"]:
            assert service["image"] == f"countersign:{__version__}"
            check_command(service["command"])


def test_any_password_will_do_for_compose() -> None:
    """It is in no address, where @ and % mean something."""
    for name in ("migrate", "service"):
        variables = COMPOSE["services"][name]["environment"]
        address = make_url(variables["COUNTERSIGN_DATABASE_URL"])
        assert (address.host, address.username, address.password) == (
            "database",
            COMPOSE["services"]["database"]["environment"]["POSTGRES_USER"],
            None,
        )
        assert "POSTGRES_PASSWORD" in variables["PGPASSWORD"]


def test_compose_gives_no_more_than_is_needed() -> None:
    for name, service in COMPOSE["services"].items():
        assert service["cap_drop"] == ["ALL"], name
        assert "no-new-privileges:true" in service["security_opt"]
    service = COMPOSE["services"]["service"]
    assert service["read_only"] and service["tmpfs"] == ["/tmp"]
    assert service["ports"] == [f"127.0.0.1:{PORT}:{PORT}"], "not to the whole network"
    assert "ports" not in COMPOSE["services"]["database"]
    assert service["mem_limit"]


def test_compose_starts_in_the_right_order() -> None:
    services = COMPOSE["services"]
    migrated = services["service"]["depends_on"]["migrate"]["condition"]
    assert migrated == "service_completed_successfully"
    assert services["migrate"]["depends_on"]["database"]["condition"] == "service_healthy"


# Kubernetes


def containers() -> Iterator[tuple[str, dict[str, Any]]]:
    for name, pod in PODS.items():
        for container in pod["spec"]["containers"]:
            yield name, container


@pytest.mark.parametrize("name", PODS)
def test_pods_have_no_rights(name: str) -> None:
    spec = PODS[name]["spec"]
    assert spec["automountServiceAccountToken"] is False
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["runAsUser"] == 10001
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in spec["containers"]:
        rights = container["securityContext"]
        assert rights["readOnlyRootFilesystem"] is True
        assert rights["allowPrivilegeEscalation"] is False
        assert rights["capabilities"] == {"drop": ["ALL"]}
        assert container["resources"]["limits"]["memory"]
        writable = {mount["mountPath"] for mount in container["volumeMounts"]}
        assert writable == {"/data", "/tmp"}


def test_pods_run_what_there_is() -> None:
    for _, container in containers():
        assert container["image"] == f"countersign:{__version__}"
        assert all(is_setting(variable["name"]) for variable in container["env"])
        check_command(container["args"])


def test_probes_ask_what_the_service_answers_without_a_key() -> None:
    (service,) = (container for name, container in containers() if name == "countersign")
    (port,) = service["ports"]
    assert port == {"name": "http", "containerPort": PORT}
    asked = {kind: service[f"{kind}Probe"]["httpGet"] for kind in ("startup", "liveness")}
    asked["readiness"] = service["readinessProbe"]["httpGet"]
    assert {kind: probe["path"] for kind, probe in asked.items()} == {
        "startup": "/healthz",
        "liveness": "/healthz",
        "readiness": "/readyz",
    }
    assert {probe["path"] for probe in asked.values()} <= open_paths()
    assert {probe["port"] for probe in asked.values()} == {"http"}
    scraped = PODS["countersign"]["metadata"]["annotations"]
    assert scraped["prometheus.io/path"] in open_paths()
    assert scraped["prometheus.io/port"] == str(PORT)


def test_the_network_policy_is_about_these_pods() -> None:
    (policy,) = (one for one in MANIFESTS if one["kind"] == "NetworkPolicy")
    labels = policy["spec"]["podSelector"]["matchLabels"]
    for pod in PODS.values():
        assert labels.items() <= pod["metadata"]["labels"].items()
    assert set(policy["spec"]["policyTypes"]) == {"Ingress", "Egress"}
    opened = {port["port"] for rule in policy["spec"]["ingress"] for port in rule["ports"]}
    assert opened == {PORT}
    assert all(rule["from"] for rule in policy["spec"]["ingress"]), "from nobody else"


def test_the_service_leads_to_the_pods() -> None:
    (service,) = (one for one in MANIFESTS if one["kind"] == "Service")
    assert service["spec"]["selector"].items() <= PODS["countersign"]["metadata"]["labels"].items()
    assert service["spec"]["ports"][0]["targetPort"] == "http"


@pytest.mark.parametrize("path", sorted(DEPLOY.rglob("*.*")), ids=lambda path: path.name)
def test_nothing_secret_stands_in_a_file(path: Path) -> None:
    text = path.read_text("utf-8")
    assert not re.search(r"password\s*[:=]\s*['\"]?\w{4,}['\"]?\s*$", text, re.I | re.M)
    assert ":latest" not in text


# Ray Serve


def test_ray_serves_the_application_that_is_there_and_lets_the_service_refuse() -> None:
    config = yaml.safe_load((DEPLOY / "ray/serve.yaml").read_text("utf-8"))
    (application,) = config["applications"]
    module, _, name = application["import_path"].partition(":")
    tree = ast.parse((DEPLOY / "ray" / f"{module}.py").read_text("utf-8"))
    assigned = [one for one in tree.body if isinstance(one, ast.Assign)]
    assert name in {ast.unparse(one.targets[0]) for one in assigned}
    (deployment,) = application["deployments"]
    assert deployment["name"] in {one.name for one in tree.body if isinstance(one, ast.ClassDef)}
    settings = Settings()
    places = USUAL_ANSWERS + settings.max_waiting_answers
    assert deployment["max_ongoing_requests"] > places
    scaling = deployment["autoscaling_config"]
    assert 2 <= scaling["min_replicas"] < scaling["max_replicas"]
    processors = deployment["ray_actor_options"]["num_cpus"]
    assert scaling["target_ongoing_requests"] <= processors + settings.max_waiting_answers
    assert "COUNTERSIGN" not in str(application)  # no password in what the dashboard shows
    assert config["http_options"]["port"] == PORT
