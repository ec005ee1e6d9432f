"""The Grafana dashboards as committed JSON; `dashboards.generate` makes them, `bench.py dashboards push` sends them."""
