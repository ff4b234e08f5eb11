"""Telemetry beside Nova: the agent of a compute node reads its libvirt, and may do nothing there but read."""

from __future__ import annotations

import uuid

from tests.bad_inputs import patched
from tests.real.boot.scenario import RunningCloud, Scenario
from tests.real.scenarios import nova, telemetry

# What Nova writes into libvirt about a server, as far as Ceilometer reads it.
SERVER = """\
<domain type='qemu'>
  <name>instance-1</name>
  <uuid>{server}</uuid>
  <memory unit='MiB'>64</memory>
  <os><type arch='x86_64'>hvm</type></os>
  <metadata>
    <nova:instance xmlns:nova="http://openstack.org/xmlns/libvirt/nova/1.1">
      <nova:name>one</nova:name>
      <nova:flavor name="tiny" id="{flavor}">
        <nova:memory>64</nova:memory>
        <nova:disk>1</nova:disk>
        <nova:vcpus>1</nova:vcpus>
      </nova:flavor>
      <nova:owner>
        <nova:user uuid="{owner}">demo</nova:user>
        <nova:project uuid="{owner}">demo</nova:project>
      </nova:owner>
    </nova:instance>
  </metadata>
</domain>
"""
# Does as the agent what it is told to, with the connection that Ceilometer makes.
READ = """
import sys
import libvirt
connection = libvirt.openReadOnly("qemu+unix:///system?socket=/run/libvirt/libvirt-sock-ro")
print([domain.name() for domain in connection.listAllDomains()])
try:
    connection.defineXML(sys.argv[1])
except libvirt.libvirtError as error:
    print(error.get_error_message())
"""


def server_of(owner: str) -> tuple[str, str]:
    """A new server's id, and what libvirt is told of it."""
    server = str(uuid.uuid4())
    return server, SERVER.format(server=server, flavor=uuid.uuid4(), owner=owner)


def the_agent_reads_libvirt_and_can_change_nothing(cloud: RunningCloud) -> None:
    agent = cloud.node.container("ceilometer-compute")
    names, refused = agent.run(["python3", "-c", READ, server_of(uuid.uuid4().hex)[1]]).stdout.splitlines()
    assert names == "[]"
    assert "read only" in refused


def a_server_that_nova_made_is_found_and_asked_after(cloud: RunningCloud) -> None:
    agent, libvirt = cloud.node.container("ceilometer-compute"), cloud.node.container("libvirt")
    assert "Polling pollster cpu" not in agent.said()
    _, text = server_of(uuid.uuid4().hex)
    made = libvirt.run(["sh", "-ec", 'printf %s "$1" >/tmp/server.xml; virsh define /tmp/server.xml', "sh", text])
    assert made.returncode == 0, made.stderr
    # It does not run, for libvirt moves mounts of its own to start one, which a boot does not allow: so it has used nothing.
    telemetry.until(lambda: "Finished polling pollster cpu" in agent.said(), "the agent finds the server")


SCENARIO = Scenario(
    services=[*nova.SCENARIO.services, "alarming", "metering", "metric"],
    spec=patched(dict(nova.SCENARIO.spec), {"features": {"telemetry": telemetry.FILES}}),
    shows=[the_agent_reads_libvirt_and_can_change_nothing, a_server_that_nova_made_is_found_and_asked_after],
)
