"""Shared by all pages and endpoints: who asks, what they may, how refusals look."""
