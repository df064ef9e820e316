"""`python -m provisioning.simulator`: a fleet of simulated servers for one plan folder."""

import sys

from provisioning.simulator.cli import main

sys.exit(main())
