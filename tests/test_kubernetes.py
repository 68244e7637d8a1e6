"""The manifests for Kubernetes: objects that its API knows, field by field, and references that meet."""

import json
import re
from pathlib import Path

import pytest
import yaml
from kubernetes import client

from components.core import paths
from pipelines.airflow_stack import part
from pipelines.cli import serve

FOLDER = Path(__file__).resolve().parents[1] / "docker" / "kubernetes"
KINDS = {
    "ConfigMap": "V1ConfigMap",
    "Deployment": "V1Deployment",
    "Job": "V1Job",
    "PersistentVolumeClaim": "V1PersistentVolumeClaim",
    "Pod": "V1Pod",
    "Role": "V1Role",
    "RoleBinding": "V1RoleBinding",
    "Service": "V1Service",
    "ServiceAccount": "V1ServiceAccount",
}


def checked(document: dict) -> dict:
    """The object as the API's own classes read and write it: what they do not know is lost, what is wrong is an error."""

    class Answer:
        data = json.dumps(document)

    api = client.ApiClient()
    return api.sanitize_for_serialization(api.deserialize(Answer, KINDS[document["kind"]]))


@pytest.fixture(scope="module")
def documents():
    return [*yaml.safe_load_all((FOLDER / "newsdesk.yaml").read_text()), template()]


def template():
    return yaml.safe_load((FOLDER / "pod-template.yaml").read_text())


def named(documents, kind):
    return {each["metadata"]["name"]: each for each in documents if each["kind"] == kind}


def pods(documents):
    """Every pod that is described, by the part that its label names."""
    found = [each["spec"]["template"] for each in documents if each["kind"] in ("Deployment", "Job")]
    found += [each for each in documents if each["kind"] == "Pod"]
    return {pod["metadata"]["labels"]["part"]: pod["spec"] for pod in found}


def test_every_object_is_one_that_the_api_knows(documents):
    for document in documents:
        assert checked(document) == document, document["metadata"]["name"]


def test_a_misspelt_field_and_a_missing_one_are_found(documents):
    deployment = json.dumps(named(documents, "Deployment")["newsdesk-serve"])
    wrong = json.loads(deployment.replace("readinessProbe", "readynessProbe"))
    assert checked(wrong) != wrong
    with pytest.raises(ValueError, match="selector"):
        checked(json.loads(deployment.replace('"selector"', '"selecter"')))


def test_every_part_of_the_stack_but_the_workers_has_a_deployment(documents):
    parts = {*part.NAMES} - {"predictor"} | {"serve"}
    assert set(named(documents, "Deployment")) == {f"newsdesk-{name}" for name in parts}
    assert set(pods(documents)) == parts | {"prepare", "task"}


def test_each_pod_runs_its_part(documents):
    for name, pod in pods(documents).items():
        [container] = pod["containers"]
        if name == "serve":
            assert serve.command.make_context("serve", container["args"][1:]).params["host"] == "0.0.0.0"
            continue
        assert container["command"] == [".venv-airflow/bin/python", "-m", "pipelines.airflow_stack.part", name]
        for probe in ("startupProbe", "livenessProbe"):
            words = container.get(probe, {}).get("exec", {}).get("command", [])
            assert words[3:] == (["health", name] if name not in ("prepare", "task") else [])


def test_no_pod_runs_as_root_or_without_limits(documents):
    dockerfile = (paths.REPOSITORY / "docker/Dockerfile.tfx").read_text()
    user = int(re.search(r"useradd --uid (\d+)", dockerfile)[1])
    for pod in pods(documents).values():
        assert pod["securityContext"]["runAsNonRoot"] and pod["securityContext"]["runAsUser"] == user
        assert pod["securityContext"]["fsGroup"] == user
        for container in pod["containers"]:
            assert container["securityContext"]["allowPrivilegeEscalation"] is False
            assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
            assert {"cpu", "memory"} <= container["resources"]["requests"].keys()
            assert container["resources"]["limits"]["memory"]


def test_only_the_scheduler_may_ask_the_api_and_only_for_pods(documents):
    asks = {name for name, pod in pods(documents).items() if pod["automountServiceAccountToken"]}
    assert asks == {"scheduler"}
    [binding], [role] = named(documents, "RoleBinding").values(), named(documents, "Role").values()
    assert binding["roleRef"]["name"] == role["metadata"]["name"]
    assert [subject["name"] for subject in binding["subjects"]] == [pods(documents)["scheduler"]["serviceAccountName"]]
    assert all("*" not in [*rule["resources"], *rule["verbs"]] for rule in role["rules"])


def test_references_meet(documents):
    kustomization = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())
    made = {generated["name"] for generated in kustomization["configMapGenerator"]}
    known = {
        "claim": set(named(documents, "PersistentVolumeClaim")),
        "config": set(named(documents, "ConfigMap")) | made,
        "account": set(named(documents, "ServiceAccount")),
        "image": {image["name"] for image in kustomization["images"]},
    }
    assert {path.name for path in FOLDER.glob("*.yaml")} == {
        "kustomization.yaml", *kustomization["resources"], *kustomization["configMapGenerator"][0]["files"],
    }  # fmt: skip
    for pod in pods(documents).values():
        assert pod["serviceAccountName"] in known["account"]
        volumes = {volume["name"]: volume for volume in pod["volumes"]}
        for volume in volumes.values():
            assert volume.get("persistentVolumeClaim", {"claimName": "newsdesk-state"})["claimName"] in known["claim"]
            assert volume.get("configMap", {"name": "newsdesk"})["name"] in known["config"]
        for container in pod["containers"]:
            assert container["image"] in known["image"]
            assert {mount["name"] for mount in container["volumeMounts"]} <= set(volumes)
            for source in container.get("envFrom", ()):
                assert source.get("configMapRef", {"name": "newsdesk"})["name"] in known["config"]
                assert source.get("secretRef", {"name": "newsdesk-databases"}) == {"name": "newsdesk-databases"}


def test_services_reach_a_port_of_their_pods(documents):
    services = named(documents, "Service")
    deployments = [each["spec"]["template"] for each in named(documents, "Deployment").values()]
    for service in services.values():
        [pod] = [t for t in deployments if service["spec"]["selector"].items() <= t["metadata"]["labels"].items()]
        [port], [container] = service["spec"]["ports"], pod["spec"]["containers"]
        assert [p["containerPort"] for p in container["ports"]] == [port["targetPort"]]
        assert container["readinessProbe"]["httpGet"]["port"] == port["targetPort"]
    assert named(documents, "ConfigMap")["newsdesk"]["data"]["NEWSDESK_AIRFLOW_HOST"] in services
    for deployment in named(documents, "Deployment").values():
        assert deployment["spec"]["selector"]["matchLabels"] == deployment["spec"]["template"]["metadata"]["labels"]


def test_no_file_holds_a_secret(documents):
    assert "Secret" not in {each["kind"] for each in documents}
    assert not re.search(r"://\w+:\w+@|password:", "".join(p.read_text() for p in FOLDER.iterdir()), re.I)


def test_the_state_folder_is_where_the_image_expects_it_and_the_server_reads_it_only(documents):
    home = re.search(r"NEWSDESK_HOME=(\S+)", (paths.REPOSITORY / "docker/Dockerfile.tfx").read_text())[1]
    for name, pod in pods(documents).items():
        [mount] = [m for m in pod["containers"][0]["volumeMounts"] if m["name"] == "state"]
        assert mount["mountPath"] == home and mount.get("readOnly", False) == (name == "serve")
