"""Which steps, in what order, on which resource. No ray; prints and hashes the same twice."""
