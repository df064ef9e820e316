"""What the benchmarks of the whole system share: a system of their own, its meters, and the arithmetic of limits."""
