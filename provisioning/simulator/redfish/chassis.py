"""The chassis: adapters, PCIe devices, power supplies, HGX board."""
