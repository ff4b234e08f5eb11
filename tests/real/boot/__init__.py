"""What ``dist/`` describes, started on this machine as literally as it can be without a container engine.

The Kubernetes API is the real one; the controllers and the kubelet that fill it are small, and stand here. A container is a
process with namespaces, a root, a user, an environment and mounts of its own, as its manifest states them; an image is an
environment of this machine (``images``). Nothing in a manifest is changed but for the table in ``substitutions``.
"""
