"""Pure numbers: neighbours, clusters, representatives, propagation. No I/O, no ray, no torch."""
