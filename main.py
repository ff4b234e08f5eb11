"""The cloud, as a program: this file is yours to change.

It reads ``deployment.yaml`` (or the file named by its first argument, or by STACKLOOM_DEPLOYMENT) and writes ``dist/`` (or
CDK8S_OUTDIR). The deployment may as well be written here, as ``OpenStackDeployment(...)``; and between the two steps constructs
of your own may be added, and components changed. See docs/python.md.
"""

from __future__ import annotations

from stackloom.app import Cloud, deployment_path, report, reporting


def main() -> None:
    """Read the deployment, build the cloud, write the manifests."""
    cloud = Cloud(deployment_path())
    # Your own constructs go here: Chart(cloud.app, "mine"), cloud.component("keystone"), ...
    report(cloud.synth(), cloud)


if __name__ == "__main__":
    with reporting():
        main()
