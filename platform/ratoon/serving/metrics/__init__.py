"""What a server counts, for Prometheus: `Metrics` by name, and `Shared` where several worker processes count together."""

from ratoon.serving.metrics.exposition import CONTENT_TYPE
from ratoon.serving.metrics.named import TIERS, Metrics
from ratoon.serving.metrics.retrievals import STAGES
from ratoon.serving.metrics.shared import Shared

__all__ = ["CONTENT_TYPE", "STAGES", "TIERS", "Metrics", "Shared"]
