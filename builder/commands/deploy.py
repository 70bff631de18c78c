"""`optbuild deploy`."""

from pathlib import Path
from typing import Any

import click

from builder.cluster_options import cluster_options
from builder.image_options import engine_option
from builder.options import model_options
from builder.within import Within


@click.command(epilog="Example: optbuild deploy onnx+batching+replicas=2+limits:cpu=1,memory=1Gi")
@click.argument("spec")
@click.option("--dry-run", is_flag=True, help="Print the manifests; touch no cluster.")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write them there as a kustomize base and overlay; touch no cluster.",
)
@click.option("--image", help="The newest that optbuild image made of SPEC if left out.")
@click.option("--registry", help="Push the image there, as in registry.example:5000/team.")
@engine_option
@click.option("--hpa", type=click.IntRange(1, 1000), metavar="MAX", help="Autoscale up to MAX.")
@click.option("--cluster-ip", is_flag=True, help="No NodePort: reachable inside the cluster only.")
@click.option("--url", help="Where clients reach it, if not at a NodePort: an ingress, say.")
@click.option(
    "--timeout",
    type=Within(1, 86400),
    default=300.0,
    show_default=True,
    help="Seconds that a rollout may take.",
)
@click.option("--keep-failed", is_flag=True, help="Leave a failed rollout there to look at.")
@cluster_options
@model_options
def deploy(spec: str, dry_run: bool, out: Path | None, **options: Any) -> None:
    """Roll SPEC out to a K3s or any Kubernetes, and wait until every replica is warm.

    A rollout that does not come up says why and is taken back. The same SPEC again changes
    nothing; another SPEC replaces it, one replica after the other.
    """
    from builder.deploying import Deployment, manifests, to_cluster

    deployment = Deployment.from_options(spec, options)
    if dry_run or out is not None:
        manifests(deployment, out, click.echo if dry_run else None)
    else:
        to_cluster(deployment, click.echo)
