"""From decoded submissions to rows: pure functions, no input or output, no clock."""
