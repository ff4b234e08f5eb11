"""What runs inside the cluster for Designate and PowerDNS: shipped as it stands, beside the core's own programs."""
