"""What the harness, its nodes and their machine use while a trial runs, seen from outside."""
