"""Knows the cloud providers: their regions, their published address ranges, and how those are fetched and
read.

Each provider has a module with everything in which it differs from the others, and an entry in the table
`PROVIDERS`. The locations of its regions are rows of `regions.csv`.
"""

from app.clouds.aws import AWS
from app.clouds.azure import AZURE
from app.clouds.gcp import GCP
from app.clouds.oci import OCI

PROVIDERS = {provider.name: provider for provider in (AWS, AZURE, GCP, OCI)}

__all__ = ["PROVIDERS"]
