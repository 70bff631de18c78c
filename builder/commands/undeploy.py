"""`optbuild undeploy`."""

from pathlib import Path

import click

from builder.cluster_options import cluster_options


@click.command(epilog="Example: optbuild undeploy onnx+batching+replicas=2+limits:cpu=1,memory=1Gi")
@click.argument("spec")
@cluster_options
def undeploy(
    spec: str, kubeconfig: Path | None, context: str | None, namespace: str | None, name: str
) -> None:
    """Remove everything that `optbuild deploy SPEC` has put into the cluster, and only that."""
    from builder.deploying import Where, from_cluster

    from_cluster(spec, name, Where(kubeconfig, context, namespace), click.echo)
