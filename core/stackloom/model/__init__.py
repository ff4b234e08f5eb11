"""Frozen records in which plugins and the core say what a service is and needs."""
