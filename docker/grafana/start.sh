#!/bin/sh
# Grafana ignores an empty password and starts with admin/admin; this refuses. Arguments: what to start.
set -eu
if [ -z "$(tr -d '[:space:]' <"$GF_SECURITY_ADMIN_PASSWORD__FILE")" ]; then
  echo "GRAFANA_ADMIN_PASSWORD is empty: set it in docker/.env" >&2
  exit 64
fi
exec "$@"
