"""Compose file and Kubernetes manifest: valid for their tools, with commands that we have."""

from __future__ import annotations

import argparse
from importlib.util import find_spec
from pathlib import Path
import re
import subprocess
import sys

import pytest
from rescene4d_ros.cli.fleet import flags
from rescene4d_ros.cli.main import command_module
import yaml

CONFIG = Path(__file__).resolve().parent.parent.parent / 'config'
COMPOSE = CONFIG / 'docker' / 'fleet.compose.yaml'
MANIFEST = CONFIG / 'kubernetes' / 'fleet.yaml'


def parsed(command: list[str]) -> argparse.Namespace:
    """Parse `python3 -m rescene4d_ros.cli.main COMMAND ...` as the program does."""
    assert command[:3] == ['python3', '-m', 'rescene4d_ros.cli.main']
    parser = argparse.ArgumentParser(exit_on_error=False)
    command_module(command[3]).add_arguments(parser)
    return parser.parse_args(command[4:])


def test_compose_file_is_valid_and_starts_our_commands():
    compose_spec = pytest.importorskip('compose_spec', reason='no compose_spec')
    # As compose fills variables in: their defaults, or what .env says.
    text = re.sub(r'\$\{\w+:(?:-([^}]*)|\?)\}', r'\1', COMPOSE.read_text())
    values = yaml.safe_load(text)
    values.pop('x-fleet')
    file = compose_spec.PyCompose.from_yaml(yaml.safe_dump(values))
    file.validate()
    services = values['services']
    for service in services.values():
        assert set(service.get('depends_on', ())) <= set(services)
    worker, roles = services['worker'], services['roles']
    assert parsed(worker['command']).http_port == 9090
    assert parsed(roles['command']).action == 'roles'
    assert {flags.URL, flags.POINTS} <= set(worker['environment'])
    assert int(worker['stop_grace_period'].rstrip('s')) > 60
    port = worker['healthcheck']['test'][-1]
    assert '9090/healthz' in port


def test_image_has_the_libraries_of_the_pinned_versions():
    extra = yaml.safe_load(COMPOSE.read_text())['services']['worker']['build']['args']['EXTRA']
    pinned = (CONFIG.parent / 'requirements-test.txt').read_text().split()
    assert set(extra.split()) <= set(pinned)
    setup = (CONFIG.parent / 'setup.py').read_text()
    named = re.search(r"'fleet': \[(.*)\],", setup).group(1)
    assert all(re.split(r'[=\[]', item)[0] in named for item in extra.split())


def test_manifest_is_valid_and_starts_our_worker():
    validator = pytest.importorskip('kubernetes_validate', reason='no kubernetes-validate')
    documents = list(yaml.safe_load_all(MANIFEST.read_text()))
    for document in documents:
        validator.validate(document, validator.latest_version(), strict=True)
    by_kind = {document['kind']: document for document in documents}
    pod = by_kind['Deployment']['spec']['template']
    container = pod['spec']['containers'][0]
    options = parsed(container['args'])
    assert str(options.http_port) == pod['metadata']['annotations']['prometheus.io/port']
    assert container['ports'][0]['containerPort'] == options.http_port
    given = {item['name'] for item in container['env']} | set(by_kind['ConfigMap']['data'])
    assert {flags.URL, flags.POINTS} <= given
    labels = pod['metadata']['labels']
    assert by_kind['PodDisruptionBudget']['spec']['selector']['matchLabels'] == labels


def test_files_pass_yamllint():
    if find_spec('yamllint') is None:
        pytest.skip('no yamllint; requirements-test.txt names it')
    command = [sys.executable, '-m', 'yamllint', '-c', CONFIG / 'yamllint.yaml']
    done = subprocess.run(
        [*command, CONFIG / 'docker', CONFIG / 'kubernetes'], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout
