"""How it all stands up: settings, app, authentication, REST, the live socket, loops, CLI."""
