"""The specification: the models of an OpenStackDeployment and the loader that reads one."""
