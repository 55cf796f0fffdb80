"""The door: the Sanic service, its dialects and its admin pages."""
