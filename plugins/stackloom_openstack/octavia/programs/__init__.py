"""What runs inside the cluster for Octavia: shipped as it stands, beside the core's own programs."""
