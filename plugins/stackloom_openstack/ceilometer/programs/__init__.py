"""What runs inside the cluster for Ceilometer: shipped as it stands, beside the core's own programs."""
