"""Programs of Tempest's Pods, shipped as they stand."""
