"""The live side: cumulative counts from workers, an exporter for Prometheus, and what Grafana is told."""
