"""SR-IOV: network cards that are shared out among servers as virtual functions, on the nodes that have such cards."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from stackloom import Container, Mount, NodeRole, Privilege
from stackloom_openstack.neutron.agents import CAPABILITIES, running, told
from stackloom_openstack.neutron.features import NeutronFeatures
from stackloom_openstack.neutron.node_features import NeutronNodeFeatures, Sriov
from stackloom_openstack.neutron.settings import agent_conf

if TYPE_CHECKING:
    from stackloom.constructs.context import ServiceContext
    from stackloom.constructs.variants import Variant


def agents(ctx: ServiceContext, features: NeutronFeatures) -> None:
    """An agent for each kind of nodes that has cards. It rolls by itself: what it set on a card stays."""
    del features
    for variant in ctx.variants():
        if (sriov := sriov_of(variant)) is not None:
            agent(ctx, variant, sriov)


def sriov_of(variant: Variant) -> Sriov | None:
    """The cards of the variant's nodes."""
    own = variant.features
    return own.sriov if isinstance(own, NeutronNodeFeatures) and own.sriov and own.sriov.enabled else None


def agent(ctx: ServiceContext, variant: Variant, sriov: Sriov) -> None:
    """The agent, and before it what makes the virtual functions."""
    main = agent_conf(ctx, variant)
    own = ctx.oslo_config(
        "sriov_agent.conf",
        {
            "sriov_nic": {"physical_device_mappings": [f"{nic.physnet}:{nic.device}" for nic in sriov.nics if nic.physnet]},
            "agent": {"extensions": ["qos"]},
        },
        variant=variant,
    )
    wanted = [
        {
            "device": nic.device,
            "functions": nic.num_vfs,
            "mtu": nic.mtu,
            "trusted": nic.trusted == "true",
            "before": nic.hooks.pre_init,
            "after": nic.hooks.init,
        }
        for nic in sriov.nics
    ]
    settings = ctx.file(
        "/etc/neutron/virtual_functions.json",
        json.dumps({"cards": wanted}, indent=2) + "\n",
        key=f"virtual_functions{variant.suffix}.json",
    )
    functions = Container(
        name="virtual-functions",
        image=ctx.image("neutron"),
        command=["python3", "/opt/stackloom/programs/virtual_functions.py", settings.path],
        files=[settings, *ctx.program("virtual_functions.py")],
        mounts=[Mount.host("/sys")],
        privilege=Privilege(reason="It makes virtual functions of the node's network cards", privileged=True),
    )
    ctx.agent(
        "sriov-agent",
        variant=variant,
        role_of_nodes=NodeRole.COMPUTE,
        command=["neutron-sriov-nic-agent", *told(main, own)],
        config=[main, own],
        init=[functions],
        privilege=Privilege(reason="It sets up virtual functions of the node's network cards", user=0, capabilities=CAPABILITIES),
        **running(ctx, after=[]),
    )
