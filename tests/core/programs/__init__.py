"""Tests of the programs that run inside the cluster."""
