"""The command line: parses, calls, prints, maps errors to exit codes."""
