"""OpenStack's own services as plugins of Stackloom: one package each, none of which imports another."""
