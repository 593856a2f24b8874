"""Settings of Hypothesis for all property tests."""

from hypothesis import HealthCheck, settings

# How long a draw or an example takes says how busy the machine is, and nothing about the code.
settings.register_profile("argos", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("argos")
