"""oslo.config, as files: how the configuration of an OpenStack service is written."""
