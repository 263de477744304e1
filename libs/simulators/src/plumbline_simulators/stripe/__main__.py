from plumbline_simulators.stripe.main import main

raise SystemExit(main())
