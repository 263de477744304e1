"""Entry point of `python -m plumbline_simulators.hubspot`."""

from plumbline_simulators.hubspot.main import main

raise SystemExit(main())
