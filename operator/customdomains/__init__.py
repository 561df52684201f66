"""Kubernetes operator for customers' own domains."""
