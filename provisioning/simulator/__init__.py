"""A fleet of simulated servers: BMCs over real sockets, hosts that boot over HTTP.

It shares no code with the driver, the boot service or the rest of the project, so that a wrong
belief cannot hide on both sides; the plan folder and HTTP are all that they have in common.
"""
