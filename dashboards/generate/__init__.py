"""Makes the dashboards from code: `python -m dashboards.generate [--check]`. Needs grafana-foundation-sdk."""

import warnings

with warnings.catch_warnings():
    # On import the SDK recommends its newer model; Grafana 11 reads only the classic one, every later one reads both.
    warnings.filterwarnings("ignore", "Prefer using dashboardv2", DeprecationWarning)
    from grafana_foundation_sdk.builders import bargauge, dashboard  # noqa: F401 - these import all that warns
