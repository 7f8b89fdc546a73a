"""What surrounds every request, as plain ASGI middleware: no extra task, a few microseconds each."""
