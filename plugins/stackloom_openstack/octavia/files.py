"""What the paths of Octavia's API mean in an audit: pycadf has nothing for it."""

from __future__ import annotations

# Collections, and what one member of each is called. Octavia itself looks for the file, at its usual place.
AUDIT_MAP = """\
[DEFAULT]
target_endpoint_type = load-balancer

[custom_actions]
config = update/configure
failover = update/failover

[path_keywords]
amphorae = amphora
availabilityzoneprofiles = profile
availabilityzones = zone
flavorprofiles = profile
flavors = flavor
healthmonitors = monitor
l7policies = policy
listeners = listener
loadbalancers = loadbalancer
members = member
pools = pool
providers = provider
quotas = project
rules = rule

[service_endpoints]
load-balancer = service/network/load-balancer
"""
