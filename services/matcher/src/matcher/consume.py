"""The matcher's one subscription."""

from plumbline_runtime.service import Runtime
from plumbline_schemas.topics import OBSERVATIONS

from matcher.handle import GROUP, Matcher


def subscribe(runtime: Runtime, matcher: Matcher) -> None:
    """Fold the ordered logs of all workspaces whose partitions this process holds."""
    runtime.consume(OBSERVATIONS, group=GROUP, handler=matcher)
