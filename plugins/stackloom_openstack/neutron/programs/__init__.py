"""What runs inside the cluster for Neutron and Open vSwitch: shipped as it stands, beside the core's own programs."""
