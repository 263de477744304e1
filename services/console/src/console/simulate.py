"""`plumbline simulate stripe|hubspot`: one simulator alone, options as the simulator names them."""

import importlib
from collections.abc import Sequence

from console.show import fail

VENDORS = {
    "stripe": "plumbline_simulators.stripe.main",
    "hubspot": "plumbline_simulators.hubspot.main",
}


def run_simulate(vendor: str, options: Sequence[str]) -> int:
    """Hand over to the simulator's own program; exit 2 for a vendor there is no simulator for."""
    module = VENDORS.get(vendor)
    if module is None:
        fail(f"no simulator for {vendor!r}; there are: {', '.join(VENDORS)}")
        return 2
    program = importlib.import_module(module)
    result = program.main(list(options))
    return int(result or 0)
