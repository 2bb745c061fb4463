"""Settings, the ASGI app, transports, the worker and the command line."""
