"""SQL over what has been loaded, on every destination."""
