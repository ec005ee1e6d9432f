"""The etcd family: gRPC on plain sockets, one etcd transaction per ledger transaction, commits from a watch."""
