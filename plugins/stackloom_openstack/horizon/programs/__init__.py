"""What runs inside the cluster for Horizon: shipped as it stands, beside the core's own programs."""
