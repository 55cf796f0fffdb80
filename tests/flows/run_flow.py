"""One flow in a process of its own, as the runner starts them: ``run_flow.py flow PARAMETERS``."""

import asyncio
import importlib
import json
import sys

name, parameters = sys.argv[1], json.loads(sys.argv[2])
flow = getattr(importlib.import_module(f"flows.{name}"), name)
sys.stdout.write(json.dumps(asyncio.run(flow(**parameters))))
